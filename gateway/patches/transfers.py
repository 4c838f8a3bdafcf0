"""The move from client-side to server-side apply, as kubectl asks for it.

`kubectl apply --server-side` finds fields that `kubectl apply` set by updates, and rewrites
`metadata.managedFields`: the updater's entry goes, and the entry of the manager that applies
gains its fields. That one change is read here; any other change of managedFields is ignored.
Source: k8s.io/client-go/util/csaupgrade, and the requests that kubectl 1.37 sends.
"""

from collections.abc import Mapping, Sequence

from gateway.representation.managed_fields import path_parts
from protos.splitkeep.metadata.v1.field_owner_pb2 import (
    FieldOwner,
    FieldsTransfer,
    OwnerOperation,
)


def transfer_in(
    owners: Sequence[FieldOwner], tree: Mapping[str, object]
) -> FieldsTransfer | None:
    """Who is to own, as applied, the fields of which updaters; None: nothing changes hands."""
    entries = _entries(tree)
    listed = {entry.get("manager") for entry in entries if entry.get("operation") == "Update"}
    given = [owner for owner in owners if _updates(owner) and owner.manager not in listed]
    paths = [path for owner in given for path in owner.fields]
    for entry in entries:
        manager, fields = entry.get("manager"), entry.get("fieldsV1")
        applies = entry.get("operation") == "Apply" and isinstance(manager, str)
        if applies and paths and all(_has(fields, path) for path in paths):
            return FieldsTransfer(to=str(manager), updaters=[owner.manager for owner in given])
    return None


def _updates(owner: FieldOwner) -> bool:
    return owner.operation == OwnerOperation.OWNER_OPERATION_UPDATE


def _entries(tree: Mapping[str, object]) -> list[dict[str, object]]:
    metadata = tree.get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]


def _has(fields: object, path: str) -> bool:
    node = fields
    for name in path_parts(path):
        node = node.get(f"f:{name}") if isinstance(node, dict) else None
    return isinstance(node, dict)
