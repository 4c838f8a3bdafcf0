"""Server-side apply: what a manager applies, what it takes over, and who minds.

As Kubernetes has it ("Server-Side Apply" of its API concepts): a manager owns what it applied;
a field that it leaves out and nobody else owns is removed; a field that another owns and that
would change is a conflict, unless forced. What can only be written cannot be compared, and so
conflicts with every other owner; it is never removed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.bodies.request_json import JsonObject
from gateway.errors import ApplyConflictError, FieldConflict
from gateway.patches.field_sets import object_of_fields, owned_fields
from gateway.patches.patch import Live
from gateway.representation.last_applied import LAST_APPLIED, without_value
from gateway.representation.managed_fields import path_parts
from gateway.representation.object_meta import timestamp_to_json
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldOwner, OwnerOperation

APPLY = OwnerOperation.OWNER_OPERATION_APPLY
CLIENT_SIDE_APPLY = "kubectl-client-side-apply"
"""The manager of `kubectl apply` without `--server-side`."""
SERVER_SIDE_APPLY = "kubectl"
SUCCESSORS = frozenset({SERVER_SIDE_APPLY, "kubectl-last-applied"})
"""The managers of `kubectl apply --server-side`: the same user, moving to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPatch:
    """A Patch that says what one manager wants of the object. It does not print."""

    tree: JsonObject = field(repr=False)
    fields: JsonObject = field(repr=False)
    manager: str
    spec_fields: tuple[str, ...]
    force: bool

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that the manager owns from here on, sorted."""
        return tuple(sorted(self.fields))

    def made_on(self, live: Live) -> JsonObject:
        """The object as it is to be. Raises ApplyConflictError unless forced."""
        present = owned_fields(live.tree, self.spec_fields)
        conflicts = tuple(_conflicts(live, present, self))
        if conflicts and not self.force:
            raise ApplyConflictError(conflicts=conflicts)
        for path in _given_up(live.owners, self):
            present.pop(path, None)
        return _object(self, present | self.fields | _remembered(self, present))

    def created(self) -> JsonObject:
        """The object as applied."""
        return self.tree


def apply_patch_from(
    tree: JsonObject, *, manager: str, spec_fields: tuple[str, ...], force: bool
) -> ApplyPatch:
    """Raises BadRequestError: a field of the wrong type."""
    return ApplyPatch(
        tree=tree,
        fields=owned_fields(tree, spec_fields),
        manager=manager,
        spec_fields=spec_fields,
        force=force,
    )


def _object(applied: ApplyPatch, found: Mapping[str, object]) -> JsonObject:
    """What nobody can own is as applied: it is refused where that is decided."""
    parts = object_of_fields(found)
    metadata, spec = applied.tree.get("metadata"), applied.tree.get("spec")
    return applied.tree | {
        "metadata": _members(metadata) | parts["metadata"],
        "spec": _members(spec) | parts["spec"],
    }


def _remembered(applied: ApplyPatch, present: JsonObject) -> JsonObject:
    """What kubectl's next apply from the client has to compare with, as kubectl would write it.

    As in kube-apiserver, only where kubectl has applied so before; without it, a field that was
    added on the server's side would never be removed.
    """
    path = f"metadata.annotations[{LAST_APPLIED}]"
    if applied.manager != SERVER_SIDE_APPLY or path not in present:
        return {}
    text = without_value({LAST_APPLIED: _text_of(applied.tree)}).get(LAST_APPLIED)
    return {} if text is None else {path: text}


def _text_of(tree: JsonObject) -> str:
    """Without the value. What JSON does not have is null here: the write is refused for it."""
    metadata, spec = tree.get("metadata"), tree.get("spec")
    parts: JsonObject = {"metadata": {"annotations": {}} | _members(metadata)}
    if spec is not None:
        parts["spec"] = {name: part for name, part in _members(spec).items() if name != "value"}
    text = json.dumps(
        tree | parts,
        default=lambda _: None,
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    return f"{text}\n"


def _members(part: object) -> JsonObject:
    return part if isinstance(part, dict) else {}


def _is_self(owner: FieldOwner, applied: ApplyPatch) -> bool:
    """The same name with another operation is another owner, as in Kubernetes."""
    return owner.manager == applied.manager and owner.operation == APPLY


def _is_predecessor(owner: FieldOwner, applied: ApplyPatch) -> bool:
    """As in kube-apiserver, `kubectl` does not conflict with its own client-side apply."""
    return (
        applied.manager in SUCCESSORS
        and owner.manager == CLIENT_SIDE_APPLY
        and owner.operation != APPLY
    )


def _given_up(owners: Sequence[FieldOwner], applied: ApplyPatch) -> set[str]:
    mine = {path for owner in owners if _is_self(owner, applied) for path in owner.fields}
    others = {path for owner in owners if not _is_self(owner, applied) for path in owner.fields}
    return mine - others - applied.fields.keys()


def _conflicts(live: Live, present: JsonObject, applied: ApplyPatch) -> Iterator[FieldConflict]:
    for owner in live.owners:
        if _is_self(owner, applied) or _is_predecessor(owner, applied):
            continue
        for path in owner.fields:
            if path in applied.fields and _differs(present, applied, path):
                yield FieldConflict(_described(owner), f".{'.'.join(path_parts(path))}")


def _differs(present: JsonObject, applied: ApplyPatch, path: str) -> bool:
    return path not in present or present[path] != applied.fields[path]


def _described(owner: FieldOwner) -> str:
    """In the words that kubectl's users know."""
    text = f'"{owner.manager}"'
    if owner.operation == APPLY:
        return text
    at = timestamp_to_json(owner.at)
    return f"{text} using {owner.api_version}" + (f" at {at}" if at else "")
