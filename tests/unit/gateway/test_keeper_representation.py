"""Keepers to JSON and back, and both kinds' agreement with their published description."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequestError
from gateway.kinds import KEEPER, Target
from gateway.representation.keepers import PROVIDERS, KeeperRepresentation
from gateway.representation.representation import Representation
from gateway.representation.secure_values import SecureValueRepresentation
from gateway.schema.types import Struct
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager
from protos.splitkeep.metadata.v1.keepers_pb2 import AwsAssumeRole, AwsKeeper, Keeper

MANAGER = FieldManager(name="a test")
NAMED = Target(kind=KEEPER, version="v1", namespace="default", name="aws")
BOTH: list[Representation[Any, Any]] = [SecureValueRepresentation(), KeeperRepresentation()]

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)


@st.composite
def keepers(draw: st.DrawFn) -> Keeper:
    role = AwsAssumeRole(assume_role_arn=draw(words), external_id=draw(words))
    aws = AwsKeeper(region=draw(words), assume_role=draw(st.sampled_from([role, None])))
    return Keeper(
        namespace="default",
        name="aws",
        uid=draw(words),
        resource_version=draw(st.integers(1, 2**40)),
        description=draw(words),
        labels=draw(st.dictionaries(words, words, max_size=3)),
        annotations=draw(st.dictionaries(words, words, max_size=3)),
        active=draw(st.booleans()),
        aws=aws,
    )


@given(keepers())
def test_what_is_read_can_be_sent_back_and_means_the_same(keeper: Keeper) -> None:
    document = KeeperRepresentation().to_json(keeper, NAMED)

    write = KeeperRepresentation().write_from(document, NAMED, MANAGER)

    assert write.draft.aws == keeper.aws
    assert write.draft.description == keeper.description
    assert dict(write.draft.labels) == dict(keeper.labels)
    assert dict(write.draft.annotations) == dict(keeper.annotations)
    assert list(write.draft.providers) == ["aws"]
    assert write.preconditions.resource_version == str(keeper.resource_version)
    assert document["status"] == {"active": keeper.active}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"aws": "x"}, "spec.aws"),
        ({"aws": {"region": 5}}, "spec.aws.region"),
        ({"aws": {"assumeRole": []}}, "spec.aws.assumeRole"),
        ({"aws": {"assumeRole": {"externalID": 5}}}, "spec.aws.assumeRole.externalID"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(spec: dict[str, object], path: str) -> None:
    with pytest.raises(BadRequestError, match=f"^{path}: must be "):
        KeeperRepresentation().write_from({"spec": spec}, NAMED, MANAGER)


def test_every_provider_that_there_was_is_known_by_name() -> None:
    assert PROVIDERS == ("aws", "azure", "gcp", "hashiCorpVault")


@pytest.mark.parametrize("representation", BOTH, ids=["secure value", "keeper"])
def test_what_can_be_owned_is_what_the_published_spec_has(
    representation: Representation[Any, Any],
) -> None:
    spec = representation.schema.fields["spec"]

    assert isinstance(spec, Struct)
    assert set(representation.spec_fields) == spec.fields.keys()
    assert {f"spec.{name}" for name, field in spec.fields.items()
            if getattr(field, "write_only", False)} == {
        ".".join(place) for place in representation.write_only
    }  # fmt: skip
