"""Who set which fields, as metadata promises to keep it (protos/…/field_owner.proto)."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from protos.splitkeep.metadata.v1.field_owner_pb2 import (
    FieldManager,
    FieldOwner,
    OwnerOperation,
)

APPLY = OwnerOperation.OWNER_OPERATION_APPLY
UPDATE = OwnerOperation.OWNER_OPERATION_UPDATE


def contents(item: Any) -> dict[str, object]:
    """What stands under each path that can have an owner; nothing for no object."""
    if item is None:
        return {}
    names = {field.name for field in item.DESCRIPTOR.fields}
    found: dict[str, object] = {"spec.description": item.description}
    if "decrypters" in names:
        found["spec.decrypters"] = tuple(item.decrypters)
    if "aws" in names and item.HasField("aws"):
        found["spec.aws"] = item.aws.SerializeToString(deterministic=True)
    for place in ("labels", "annotations"):
        found |= {f"metadata.{place}[{k}]": v for k, v in getattr(item, place).items()}
    return {path: content for path, content in found.items() if content}


def owners_after(
    before: Any, after: Any, manager: FieldManager, *, valued: bool, at: Timestamp
) -> list[FieldOwner]:
    """The owners once `after` stands in place of `before`."""
    old, new = contents(before), contents(after)
    changed = {path for path, content in new.items() if old.get(path) != content}
    changed |= {"spec.value"} if valued else set()
    present = set(new) | {"spec.value"}
    applied = set(manager.applied.fields) if manager.HasField("applied") else None
    owned = {
        (owner.manager, owner.operation, owner.api_version): (owner.at, set(owner.fields))
        for owner in (before.field_owners if before is not None else ())
    }
    kept = {
        key: (since, (paths - changed) & present)
        for key, (since, paths) in owned.items()
        if not (applied is not None and key[:2] == (manager.name, APPLY))
    }
    operation = UPDATE if applied is None else APPLY
    mine = (manager.name, operation, manager.api_version)
    since, paths = kept.pop(mine, (at, set()))
    gained = changed if applied is None else applied
    if manager.name:
        kept[mine] = (at if gained else since, paths | gained)
    return list(_owners(kept.items()))


def _owners(items: Iterable[tuple[Any, tuple[Timestamp, set[str]]]]) -> Iterable[FieldOwner]:
    for (name, operation, api_version), (at, paths) in items:
        if paths:
            yield FieldOwner(
                manager=name,
                operation=operation,
                api_version=api_version,
                at=at,
                fields=sorted(paths),
            )
