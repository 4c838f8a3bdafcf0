"""Who set which fields, as server-side apply needs to know it: paths, never contents.

- A field is a path: `spec.description`, `spec.decrypters` and `spec.aws` (each as a whole),
  `spec.value`, `spec.ref`, `metadata.labels[KEY]`, `metadata.annotations[KEY]`.
- A manager owns what it changed (UPDATE) or what it applied (APPLY), each under its own entry.
- A field whose content a write changes leaves every other owner; one that is gone leaves all.
- Applying says what a manager wants: it owns exactly the fields that it applied last.

Source: Kubernetes, "Server-Side Apply"; sigs.k8s.io/structured-merge-diff, package fieldpath.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.last_applied import LAST_APPLIED
from metadata_svc.domain.text import is_label, is_qualified_name

MAX_OWNERS = 20
MAX_APPLIERS = MAX_OWNERS - 2  # leaves a place to the last who updated, and to those before
ANCIENT_CHANGES = "ancient-changes"  # whose updates were too many to be told apart
# Paths of all owners together; what one object may weigh is bounded by it.
MAX_OWNED_BYTES = 128 * 1024

DESCRIPTION = "spec.description"
DECRYPTERS = "spec.decrypters"
VALUE = "spec.value"
REF = "spec.ref"
AWS = "spec.aws"
_SPEC_FIELDS = frozenset({DESCRIPTION, DECRYPTERS, VALUE, REF, AWS})
_ENTRY = re.compile(r"metadata\.(labels|annotations)\[(.+)\]", re.DOTALL)


class OwnerOperation(StrEnum):
    """How a manager came to own its fields."""

    UPDATE = "Update"
    APPLY = "Apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOwner:
    """The fields that one manager set by one kind of operation, sorted."""

    manager: str
    operation: OwnerOperation
    api_version: str
    at: datetime
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Fields that some managers own by updates, and that another is to own as applied."""

    to: str
    managers: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldManager:
    """Who makes a write; without a name nothing is recorded of it.

    `applied` is set for server-side apply: the fields that the applied object has.
    """

    name: str = ""
    api_version: str = ""
    applied: frozenset[str] | None = None
    transfer: Transfer | None = None

    @property
    def operation(self) -> OwnerOperation:
        """Under which of its entries the write is recorded."""
        return OwnerOperation.UPDATE if self.applied is None else OwnerOperation.APPLY


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChanges:
    """What a write does to an object's fields."""

    changed: frozenset[str]  # there afterwards, and not with this content before
    gone: frozenset[str]
    present: frozenset[str]  # there afterwards, changed or not

    @property
    def any(self) -> bool:
        """Whether the write does anything to the object."""
        return bool(self.changed or self.gone)

    @property
    def in_spec(self) -> bool:
        """Whether it does something to the spec, which the generation counts."""
        return any(path.startswith("spec.") for path in self.changed | self.gone)


_RENEWED = f"metadata.annotations[{LAST_APPLIED}]"
Fields = Mapping[str, object]  # the contents by path; a field that is not set is not there


def is_field_path(path: str) -> bool:
    """Whether some object could have such a field."""
    if path in _SPEC_FIELDS:
        return True
    entry = _ENTRY.fullmatch(path)
    if entry is None:
        return False
    is_key = is_label if entry[1] == "labels" else is_qualified_name
    return is_key(entry[2])


def label_path(key: str) -> str:
    """The path of one label."""
    return f"metadata.labels[{key}]"


def annotation_path(key: str) -> str:
    """The path of one annotation."""
    return f"metadata.annotations[{key}]"


def changes_between(
    before: Fields, after: Fields, *, rewritten: frozenset[str] = frozenset()
) -> FieldChanges:
    """What becomes of the fields; `rewritten` ones count as changed without a comparison."""
    differing = {p for p, content in after.items() if p not in before or before[p] != content}
    return FieldChanges(
        changed=rewritten | differing,
        gone=frozenset(before.keys() - after.keys()),
        present=rewritten | after.keys(),
    )


def owners_after(
    owners: tuple[FieldOwner, ...],
    changes: FieldChanges,
    *,
    manager: FieldManager,
    at: datetime,
) -> tuple[FieldOwner, ...]:
    """Who owns what once the write is done; an entry that it leaves alone stays as it is.

    Raises InvalidArgumentError when applying managers are too many, or own too many fields.
    """
    owners = _transferred(owners, manager, at)
    own = _own_fields(owners, changes, manager)
    lost = _lost(changes, manager)
    after = [
        _entry(owner, own, changes, manager=manager, at=at)
        if _is_of(owner, manager)
        else replace(owner, fields=tuple(f for f in owner.fields if f not in lost))
        for owner in owners
    ]
    if own and not any(_is_of(owner, manager) for owner in owners):
        after.append(_new_owner(manager, own, at))
    kept = tuple(owner for owner in after if owner.fields)
    return _bounded(kept)


def _lost(changes: FieldChanges, manager: FieldManager) -> frozenset[str]:
    """What leaves the other owners.

    kubectl's annotation of what was applied last is renewed by a server-side apply that does
    not apply it, and stays with its owner: kubectl reads from it whose fields are to move.
    """
    renewed = {_RENEWED} if manager.applied is not None else set()
    return (changes.changed - renewed) | changes.gone


def _transferred(
    owners: tuple[FieldOwner, ...], manager: FieldManager, at: datetime
) -> tuple[FieldOwner, ...]:
    transfer = manager.transfer
    given = [owner for owner in owners if transfer and _hands_over(owner, transfer)]
    if transfer is None or not given:
        return owners
    to = FieldManager(name=transfer.to, api_version=manager.api_version, applied=frozenset())
    merged = [*given, *(owner for owner in owners if _is_of(owner, to))]
    fields = frozenset(field for owner in merged for field in owner.fields)
    rest = (owner for owner in owners if owner not in merged)
    return (*rest, _new_owner(to, fields, at))


def _hands_over(owner: FieldOwner, transfer: Transfer) -> bool:
    return owner.operation is OwnerOperation.UPDATE and owner.manager in transfer.managers


def _own_fields(
    owners: Iterable[FieldOwner], changes: FieldChanges, manager: FieldManager
) -> frozenset[str]:
    if not manager.name:
        return frozenset()
    if manager.applied is not None:
        # A value, or an empty allow-list, may be applied though the object shows neither.
        return manager.applied & (changes.present | {VALUE, DECRYPTERS})
    before = frozenset(f for owner in owners if _is_of(owner, manager) for f in owner.fields)
    return (before - changes.gone) | changes.changed


def _is_of(owner: FieldOwner, manager: FieldManager) -> bool:
    return (owner.manager, owner.operation) == (manager.name, manager.operation)


def _entry(
    owner: FieldOwner,
    own: frozenset[str],
    changes: FieldChanges,
    *,
    manager: FieldManager,
    at: datetime,
) -> FieldOwner:
    """The writer's entry; its time stays when neither the object nor the set changes."""
    if own == frozenset(owner.fields) and not changes.any:
        return owner
    return _new_owner(manager, own, at)


def _new_owner(manager: FieldManager, fields: frozenset[str], at: datetime) -> FieldOwner:
    return FieldOwner(
        manager=manager.name,
        operation=manager.operation,
        api_version=manager.api_version,
        at=at,
        fields=tuple(sorted(fields)),
    )


def _bounded(owners: tuple[FieldOwner, ...]) -> tuple[FieldOwner, ...]:
    merged = _few(owners)
    if sum(len(field.encode()) for owner in merged for field in owner.fields) > MAX_OWNED_BYTES:
        message = f"must have at most {MAX_OWNED_BYTES} bytes of field names in all"
        raise _refused(Rule.TOO_LONG, message)
    return merged


def _few(owners: tuple[FieldOwner, ...]) -> tuple[FieldOwner, ...]:
    """At most 20: the oldest who updated become one; those who applied are never mixed up."""
    updates = [o for o in owners if o.operation is OwnerOperation.UPDATE]
    if len(owners) - len(updates) > MAX_APPLIERS:
        raise _refused(Rule.TOO_MANY, f"must have at most {MAX_APPLIERS} managers that apply")
    surplus = len(owners) - MAX_OWNERS
    if surplus <= 0:
        return owners
    updates.sort(key=lambda o: (o.manager != ANCIENT_CHANGES, o.at))
    eldest = updates[: surplus + 1]
    ancient = FieldOwner(
        manager=ANCIENT_CHANGES,
        operation=OwnerOperation.UPDATE,
        api_version=eldest[-1].api_version,
        at=max(owner.at for owner in eldest),
        fields=tuple(sorted({field for owner in eldest for field in owner.fields})),
    )
    return (ancient, *(owner for owner in owners if owner not in eldest))


def _refused(rule: Rule, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        violations=(FieldViolation("metadata.managedFields", rule, message),)
    )
