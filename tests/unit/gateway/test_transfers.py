"""The one change of managedFields that is read: what kubectl sends to move to applying."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.patches.transfers import transfer_in
from gateway.representation.managed_fields import managed_fields_to_json
from protos.splitkeep.metadata.v1.field_owner_pb2 import (
    FieldOwner,
    FieldsTransfer,
    OwnerOperation,
)

APPLY = OwnerOperation.OWNER_OPERATION_APPLY
UPDATE = OwnerOperation.OWNER_OPERATION_UPDATE
OLD = "kubectl-client-side-apply"
LAST_APPLIED = "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"


def owner(name: str, *paths: str, operation: Any = UPDATE) -> FieldOwner:
    at = Timestamp(seconds=1)
    return FieldOwner(manager=name, operation=operation, at=at, fields=paths)


LIVE = (
    owner(OLD, LAST_APPLIED, "metadata.labels[a]", "spec.value"),
    owner("kubectl-label", "metadata.labels[b]"),
    owner("deployer", "metadata.labels[a]", operation=APPLY),
)
MERGED = owner("deployer", LAST_APPLIED, "metadata.labels[a]", "spec.value", operation=APPLY)


def patched_to(*owners: FieldOwner) -> dict[str, object]:
    return {"metadata": {"managedFields": managed_fields_to_json(owners)}}


def test_an_entry_that_goes_into_that_of_an_applier_hands_its_fields_over() -> None:
    wanted = FieldsTransfer(to="deployer", updaters=[OLD])

    assert transfer_in(LIVE, patched_to(LIVE[1], MERGED)) == wanted


@pytest.mark.parametrize(
    "tree",
    [
        patched_to(*LIVE),
        patched_to(),
        patched_to(LIVE[1], LIVE[2]),
        patched_to(LIVE[1], owner("deployer", "spec.value", operation=APPLY)),
        patched_to(MERGED),
        patched_to(*LIVE, owner("me", "spec.value", operation=APPLY)),
        {},
        {"metadata": None},
        {"metadata": {"managedFields": None}},
        {"metadata": {"managedFields": [{}, 1, {"operation": "Apply", "manager": 1}]}},
        {"metadata": {"managedFields": [{"operation": "Apply", "manager": "m"}]}},
    ],
)
def test_any_other_change_hands_nothing_over(tree: dict[str, object]) -> None:
    assert transfer_in(LIVE, tree) is None
