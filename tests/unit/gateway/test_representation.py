"""Objects to JSON and back: nothing lost that is the client's, nothing let in that is not."""

import json
import string
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies.request_json import parse_json
from gateway.errors import BadRequestError
from gateway.kinds import SECURE_VALUE, Target
from gateway.representation.object_meta import DROPPED_ANNOTATIONS
from gateway.representation.secure_values import SecureValueRepresentation, SecureValueWrite
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValue, SecureValueDraft

MANAGER = FieldManager(name="a test", api_version="secret.grafana.app/v1beta1")
NAMED = Target(kind=SECURE_VALUE, version="v1beta1", namespace="default", name="pg-main")
COLLECTION = Target(kind=SECURE_VALUE, version="v1", namespace="default")

words = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=20)
lines = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def written(tree: Any, target: Target) -> SecureValueWrite:
    return SecureValueRepresentation().write_from(tree, target, MANAGER)


@st.composite
def secure_values(draw: st.DrawFn) -> SecureValue:
    return SecureValue(
        namespace="default",
        name="pg-main",
        uid=str(draw(st.uuids())),
        resource_version=draw(st.integers(1, 2**63 - 1)),
        generation=draw(st.integers(1, 2**63 - 1)),
        created_at=Timestamp(seconds=draw(st.integers(1, 2**34))),
        updated_at=Timestamp(seconds=draw(st.integers(1, 2**34))),
        created_by=draw(words),
        updated_by=draw(words),
        description=draw(lines),
        decrypters=draw(st.lists(words, max_size=5)),
        labels=draw(st.dictionaries(words, words, max_size=5)),
        annotations=draw(st.dictionaries(words, lines, max_size=5)),
        keeper="system",
        version=draw(st.integers(1, 2**63 - 1)),
    )


@given(secure_values())
def test_what_is_read_can_be_sent_back_and_means_the_same(found: SecureValue) -> None:
    document = SecureValueRepresentation().to_json(found, NAMED)

    write = written(parse_json(json.dumps(document).encode()).tree, NAMED)

    assert write.value is None
    assert write.preconditions.uid == found.uid
    assert write.preconditions.resource_version == str(found.resource_version)
    assert write.draft == SecureValueDraft(
        namespace=found.namespace,
        name=found.name,
        description=found.description,
        decrypters=found.decrypters,
        labels=found.labels,
        annotations=found.annotations,
        manager=MANAGER,
    )


def test_an_object_without_labels_or_decrypters_leaves_them_out() -> None:
    document = SecureValueRepresentation().to_json(
        SecureValue(name="a", description="d"), COLLECTION
    )

    assert document["apiVersion"] == "secret.grafana.app/v1"
    assert document["spec"] == {"description": "d"}
    assert "labels" not in json.dumps(document)


def test_the_servers_annotations_win_over_stored_ones_of_the_same_name() -> None:
    found = SecureValue(created_by="user:u1", annotations={"grafana.app/createdBy": "forged"})

    metadata: Any = SecureValueRepresentation().to_json(found, NAMED)["metadata"]

    assert metadata["annotations"]["grafana.app/createdBy"] == "user:u1"


@pytest.mark.parametrize("annotation", sorted(DROPPED_ANNOTATIONS))
def test_annotations_that_are_not_the_clients_are_dropped(annotation: str) -> None:
    tree = {"metadata": {"annotations": {annotation: "x", "mine": "y"}}}

    write = written(tree, NAMED)

    assert dict(write.draft.annotations) == {"mine": "y"}


def test_the_value_comes_out_sensitive_and_as_utf_8() -> None:
    write = written({"spec": {"value": "pä\0ss"}}, NAMED)

    assert write.value is not None
    assert write.value.reveal() == "pä\0ss".encode()
    assert "pä" not in repr(write)


def test_an_empty_value_is_not_an_absent_one() -> None:
    empty = written({"spec": {"value": ""}}, NAMED)
    absent = written({"spec": {"value": None}}, NAMED)

    assert empty.value is not None
    assert empty.value.reveal() == b""
    assert absent.value is None


def test_a_prefix_counts_only_on_create() -> None:
    tree: dict[str, object] = {"metadata": {"generateName": "sv-"}}

    assert written(tree, COLLECTION).draft.generate_name == "sv-"
    assert written(tree, NAMED).draft.generate_name == ""


def test_owners_travel_as_far_as_the_service_that_judges_them() -> None:
    owner = {"apiVersion": "a.b/v1", "kind": "K", "name": "n", "uid": "u"}

    (sent,) = written({"metadata": {"ownerReferences": [owner]}}, NAMED).draft.owner_references

    assert (sent.api_version, sent.kind, sent.name) == ("a.b/v1", "K", "n")


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"kind": "Keeper"}, "kind: must be SecureValue"),
        ({"apiVersion": "v1"}, "apiVersion: must be secret.grafana.app/v1beta1"),
        ({"metadata": {"namespace": "other"}}, "metadata.namespace: must be"),
        ({"metadata": {"name": "other"}}, "metadata.name: must be"),
        ({"metadata": []}, "metadata: must be an object"),
        (
            {"metadata": {"labels": {"a": None}}},
            "metadata.labels: must be an object of strings",
        ),
        ({"metadata": {"ownerReferences": [1]}}, "metadata.ownerReferences: must be a list of"),
        ({"metadata": {"ownerReferences": [{"kind": 1}]}}, "metadata.ownerReferences[0].kind"),
        ({"metadata": {"resourceVersion": 5}}, "metadata.resourceVersion: must be a string"),
        ({"spec": {"value": 5}}, "spec.value: must be a string"),
        ({"spec": {"value": ["never-quoted"]}}, "spec.value: must be a string"),
        ({"spec": {"decrypters": ["a", 1]}}, "spec.decrypters: must be a list of strings"),
        (
            {"spec": {"decrypters": "never-quoted"}},
            "spec.decrypters: must be a list of strings",
        ),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(tree: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        written(tree, NAMED)

    assert words in refused.value.message
    assert "never-quoted" not in refused.value.message
