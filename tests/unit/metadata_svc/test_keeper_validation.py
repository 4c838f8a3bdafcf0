"""The rules of a keeper's fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgumentError, Rule
from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper
from metadata_svc.domain.keeper_validation import keeper_violations, require_valid_keeper
from metadata_svc.domain.labels import PLAIN_LABELS
from metadata_svc.domain.resource import Operation, OwnerReference
from tests.fakes.metadata_svc.builders import ROLE, a_keeper_draft

ARN = "spec.aws.assumeRole.assumeRoleArn"
EXTERNAL_ID = "spec.aws.assumeRole.externalID"
REGION = "spec.aws.region"
ONLY_AWS: dict[str, Any] = {"providers": ()}


def aws(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"region": "us-east-1", "assume_role": ROLE}
    return {"aws": AwsKeeper(**whole | changes)}


def role(**changes: Any) -> dict[str, Any]:
    whole = {"assume_role_arn": "arn:aws:iam::1:role/r", "external_id": "e"}
    return aws(assume_role=AwsAssumeRole(**whole | changes))


GOOD = {
    "an ordinary one": {},
    "one whose provider is told by its block alone": ONLY_AWS,
    "a provider told twice": {"providers": ("aws", "aws")},
    "the longest region": aws(region="a" * 63),
    "the longest role": role(assume_role_arn="a" * 2048, external_id="e" * 1224),
}
BAD: dict[str, tuple[dict[str, Any], list[tuple[str, Rule]]]] = {
    "a bad name": ({"name": "*"}, [("metadata.name", Rule.INVALID)]),
    "a reserved namespace": ({"namespace": "org-1"}, [("metadata.namespace", Rule.INVALID)]),
    "a bad label": ({"labels": {"a": " "}}, [("metadata.labels[a]", Rule.INVALID)]),
    "a folder": (
        {"annotations": {"grafana.app/folder": "f"}},
        [("metadata.annotations[grafana.app/folder]", Rule.FORBIDDEN)],
    ),
    "an owner": (
        {"owner_references": (OwnerReference(api_version="a/v1", kind="K", name="n"),)},
        [("metadata.ownerReferences", Rule.FORBIDDEN)],
    ),
    "no description": ({"description": ""}, [("spec.description", Rule.REQUIRED)]),
    "a description of 254": (
        {"description": "ж" * 254},
        [("spec.description", Rule.TOO_LONG)],
    ),
    "no provider": ({"aws": None, "providers": ()}, [("spec", Rule.REQUIRED)]),
    "several providers": ({"providers": ("gcp", "aws")}, [("spec", Rule.INVALID)]),
    "a second provider without a name": (
        {"providers": ("hashiCorpVault",)},
        [("spec", Rule.INVALID)],
    ),
    "azure": ({"aws": None, "providers": ("azure",)}, [("spec.azure", Rule.FORBIDDEN)]),
    "gcp": ({"aws": None, "providers": ("gcp",)}, [("spec.gcp", Rule.FORBIDDEN)]),
    "hashiCorpVault": (
        {"aws": None, "providers": ("hashiCorpVault",)},
        [("spec.hashiCorpVault", Rule.FORBIDDEN)],
    ),
    "a provider nobody knows": ({"providers": ("c4n4ry",)}, [("spec", Rule.FORBIDDEN)]),
    "an empty block": (
        {"aws": None, "providers": ("aws",)},
        [(REGION, Rule.REQUIRED), ("spec.aws", Rule.REQUIRED)],
    ),
    "no region": (aws(region=""), [(REGION, Rule.REQUIRED)]),
    "a region that leads to another host": (
        aws(region="x.example.com/"),
        [(REGION, Rule.INVALID)],
    ),
    "a region with a new line": (aws(region="us-east-1\n"), [(REGION, Rule.INVALID)]),
    "a region of 64": (aws(region="a" * 64), [(REGION, Rule.INVALID)]),
    "no role": (aws(assume_role=None), [("spec.aws", Rule.REQUIRED)]),
    "an empty role": (
        aws(assume_role=AwsAssumeRole()),
        [(ARN, Rule.REQUIRED), (EXTERNAL_ID, Rule.REQUIRED)],
    ),
    "a blank external id": (role(external_id=" "), [(EXTERNAL_ID, Rule.REQUIRED)]),
    "an endless role": (role(assume_role_arn="a" * 2049), [(ARN, Rule.TOO_LONG)]),
    "an endless external id": (role(external_id="e" * 1225), [(EXTERNAL_ID, Rule.TOO_LONG)]),
    "NUL in a role": (role(assume_role_arn="a\x00"), [(ARN, Rule.INVALID)]),
    "a surrogate in an external id": (
        role(external_id="\ud800"),
        [(EXTERNAL_ID, Rule.INVALID)],
    ),
}


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_good_draft_is_taken(changes: dict[str, Any], operation: Operation) -> None:
    require_valid_keeper(a_keeper_draft(**changes), operation, PLAIN_LABELS)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD)
def test_every_rule_a_draft_breaks_is_told(
    changes: dict[str, Any], expected: list[tuple[str, Rule]], operation: Operation
) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        require_valid_keeper(a_keeper_draft(**changes), operation, PLAIN_LABELS)

    assert [(v.field, v.rule) for v in error.value.violations] == expected


def test_the_name_of_the_vault_itself_is_reserved() -> None:
    found = list(
        keeper_violations(a_keeper_draft(name="system"), Operation.CREATE, PLAIN_LABELS)
    )

    assert [(v.field, v.rule) for v in found] == [("name", Rule.FORBIDDEN)]


def test_several_providers_are_named_in_one_message() -> None:
    draft = a_keeper_draft(providers=("hashiCorpVault", "aws", "gcp"))

    (found,) = keeper_violations(draft, Operation.CREATE, PLAIN_LABELS)

    assert "aws & gcp & hashiCorpVault" in found.message


@given(st.text(), st.text())
def test_no_message_quotes_what_was_sent(text: str, other: str) -> None:
    marker = "c4n4ry"
    draft = a_keeper_draft(
        name=f"*{marker}",
        aws=AwsKeeper(
            region=f"*{marker}{text}",
            assume_role=AwsAssumeRole(
                assume_role_arn=f"\x00{marker}{text}", external_id=f"\x00{marker}{other}"
            ),
        ),
    )
    unknown = a_keeper_draft(providers=(f"{marker}{text}",))

    told = [
        f"{v.field} {v.message}"
        for each in (draft, unknown)
        for v in keeper_violations(each, Operation.CREATE, PLAIN_LABELS)
    ]

    assert len(told) == 5
    assert not any(marker in line for line in told)
