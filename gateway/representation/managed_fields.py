"""Who set which fields: the services' owners as Kubernetes' `metadata.managedFields`.

Only paths are known here, never what stands under them.
Format: FieldsV1 of Kubernetes' ManagedFieldsEntry, in which `f:` goes before each name.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.bodies.request_json import JsonObject
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldOwner, OwnerOperation

_KEYED = re.compile(r"(?P<path>[^\[]+)\[(?P<key>.*)\]", re.DOTALL)
_OPERATIONS = {
    OwnerOperation.OWNER_OPERATION_UPDATE: "Update",
    OwnerOperation.OWNER_OPERATION_APPLY: "Apply",
}


def managed_fields_to_json(owners: Iterable[FieldOwner]) -> list[JsonObject]:
    """One entry an owner, in the order kept."""
    return [_entry(owner) for owner in owners]


def _entry(owner: FieldOwner) -> JsonObject:
    entry: JsonObject = {
        "manager": owner.manager,
        "operation": _OPERATIONS.get(owner.operation, "Update"),
        "apiVersion": owner.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_v1(owner.fields),
    }
    if owner.at.seconds:
        moment = datetime.fromtimestamp(owner.at.seconds, UTC)
        entry["time"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return entry


def fields_v1(paths: Iterable[str]) -> JsonObject:
    """The set of paths as a tree: `metadata.labels[team]` is f:metadata, f:labels, f:team."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for name in path_parts(path):
            node = node.setdefault(f"f:{name}", {})
    return tree


def path_parts(path: str) -> Sequence[str]:
    """The names on the way to a field; a key of labels or annotations may hold any text."""
    keyed = _KEYED.fullmatch(path)
    if keyed is None:
        return path.split(".")
    return [*keyed["path"].split("."), keyed["key"]]
