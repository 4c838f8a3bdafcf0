"""What tells one keeper from another, as the same create or not."""

from dataclasses import fields, replace
from typing import Any

import pytest

from metadata_svc.domain.field_owners import FieldManager
from metadata_svc.domain.idempotency import keeper_fingerprint
from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, KeeperDraft
from metadata_svc.domain.resource import OwnerReference
from tests.fakes.metadata_svc.builders import a_keeper_draft

DRAFT = a_keeper_draft(labels={"a": "1", "b": "2"})
CHANGES: dict[str, Any] = {
    "namespace": "other",
    "name": "other",
    "generate_name": "kp-",
    "description": "another",
    "labels": {"a": "2", "b": "1"},
    "annotations": {"a": "1"},
    "owner_references": (OwnerReference(api_version="a/v1", kind="K", name="n"),),
    "aws": AwsKeeper(region="eu-central-1", assume_role=AwsAssumeRole()),
    "providers": ("aws", "azure"),
}


def test_every_field_of_a_draft_is_changed_below() -> None:
    assert {field.name for field in fields(KeeperDraft)} == {*CHANGES, "manager"}


@pytest.mark.parametrize("field", CHANGES)
def test_a_keeper_that_differs_has_another_fingerprint(field: str) -> None:
    other = replace(DRAFT, **{field: CHANGES[field]})

    assert keeper_fingerprint(other) != keeper_fingerprint(DRAFT)


def test_the_order_of_labels_and_the_field_manager_make_no_difference() -> None:
    same = replace(DRAFT, labels={"b": "2", "a": "1"}, manager=FieldManager(name="kubectl"))

    assert keeper_fingerprint(same) == keeper_fingerprint(DRAFT)
