"""An edit that names only what it changes: for callers who may write an object and not read it.

Such a caller is called blind here. What a blind edit is answered depends on the request alone,
with one exception: an object has room for so many labels and decrypters. A blind edit is
refused by how many there are, never by which, and adds only a few at a time, so that a refusal
tells something of an object that is nearly full and of no other (ADR 22).
"""

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import Any

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.field_owners import FieldManager
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.labels import EXEMPT_LABEL, MAX_LABELS, LabelRules
from metadata_svc.domain.resource import Resource, Stamp, revised
from metadata_svc.domain.resource_rules import (
    description_violations,
    manager_violations,
)
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.validation import MAX_DECRYPTERS, decrypter_violations

MAX_BLIND_ADDITIONS = 4
MAX_REMOVALS = 64
LABELS, DECRYPTERS = "metadata.labels", "spec.decrypters"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialEdit:
    """What is to change; a keeper has no decrypters. Nothing of it is checked yet."""

    namespace: str
    name: str
    description: str | None = None
    put_labels: Mapping[str, str] = field(default_factory=dict)
    remove_labels: frozenset[str] = frozenset()
    add_decrypters: tuple[str, ...] = ()
    remove_decrypters: frozenset[str] = frozenset()
    # The whole list, instead of additions and removals.
    decrypters: tuple[str, ...] | None = None
    manager: FieldManager = field(default_factory=FieldManager)


def edit_violations(
    edit: PartialEdit, labels: LabelRules, *, blind: bool
) -> Iterator[FieldViolation]:
    """Every rule that the edit breaks by itself."""
    if edit.description is not None:
        yield from description_violations(edit.description)
    yield from labels.violations(edit.put_labels)
    if edit.decrypters is not None and (edit.add_decrypters or edit.remove_decrypters):
        message = "a whole list must not come with additions or removals"
        yield FieldViolation(DECRYPTERS, Rule.INVALID, message)
    yield from decrypter_violations(edit.decrypters or edit.add_decrypters)
    yield from _contradictions(edit)
    yield from manager_violations(edit.manager)
    if blind:
        yield from _blind_violations(edit)


def _contradictions(edit: PartialEdit) -> Iterator[FieldViolation]:
    for path, added, removed in (
        (LABELS, edit.put_labels.keys(), edit.remove_labels),
        (DECRYPTERS, set(edit.add_decrypters), edit.remove_decrypters),
    ):
        if added & removed:
            yield FieldViolation(path, Rule.INVALID, "must not add and remove the same item")
        if len(removed) > MAX_REMOVALS:
            message = f"must remove at most {MAX_REMOVALS} items at a time"
            yield FieldViolation(path, Rule.TOO_MANY, message)


def _blind_violations(edit: PartialEdit) -> Iterator[FieldViolation]:
    added = ((LABELS, edit.put_labels), (DECRYPTERS, edit.add_decrypters))
    for path, items in added:
        if len(items) > MAX_BLIND_ADDITIONS:
            message = f"must add at most {MAX_BLIND_ADDITIONS} items without the right to read"
            yield FieldViolation(path, Rule.TOO_MANY, message)


def partly_edited_secure_value(
    live: SecureValue, edit: PartialEdit, stamp: Stamp
) -> SecureValue:
    """`live` with the changes; `live` itself when nothing differs, unless the edit is blind.

    Raises InvalidArgumentError for too many labels, decrypters, owners or owned fields.
    """
    wanted = _decrypters_after(live.decrypters, edit)
    added = set(edit.add_decrypters)
    if added and _is_full(live.decrypters, added, wanted, MAX_DECRYPTERS, blind=stamp.blind):
        raise _too_many(DECRYPTERS, MAX_DECRYPTERS)
    return revised(
        live,
        replace(live, decrypters=wanted, **_shared_changes(live, edit, stamp)),
        manager=edit.manager,
        stamp=stamp,
    )


def partly_edited_keeper(live: Keeper, edit: PartialEdit, stamp: Stamp) -> Keeper:
    """`live` with the changes; `live` itself when nothing differs, unless the edit is blind.

    Raises InvalidArgumentError for too many labels, owners or owned fields.
    """
    wanted = replace(live, **_shared_changes(live, edit, stamp))
    return revised(live, wanted, manager=edit.manager, stamp=stamp)


def _shared_changes(live: Resource, edit: PartialEdit, stamp: Stamp) -> dict[str, Any]:
    kept = {key: text for key, text in live.labels.items() if key not in edit.remove_labels}
    labels = kept | dict(edit.put_labels)
    before, put, after = (
        set(keys) - {EXEMPT_LABEL} for keys in (live.labels, edit.put_labels, labels)
    )
    if put and _is_full(before, put, after, MAX_LABELS, blind=stamp.blind):
        raise _too_many(LABELS, MAX_LABELS)
    description = live.description if edit.description is None else edit.description
    return {"description": description, "labels": labels}


def _decrypters_after(before: tuple[str, ...], edit: PartialEdit) -> tuple[str, ...]:
    if edit.decrypters is not None:
        return edit.decrypters
    kept = [name for name in before if name not in edit.remove_decrypters]
    return (*kept, *(name for name in edit.add_decrypters if name not in before))


def _is_full(before: Sized, added: Sized, after: Sized, most: int, *, blind: bool) -> bool:
    """For a blind edit: as if all that it adds were new, and nothing were removed."""
    return (len(before) + len(added) if blind else len(after)) > most


def _too_many(path: str, most: int) -> InvalidArgumentError:
    message = f"must have at most {most} items"
    return InvalidArgumentError(violations=(FieldViolation(path, Rule.TOO_MANY, message),))
