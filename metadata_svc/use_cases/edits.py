"""Metadata-only edit and delete: one transaction each; the vault hears nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic

from chassis.caller import Caller
from chassis.clock import Clock
from metadata_svc.domain.access import Action
from metadata_svc.domain.labels import PLAIN_LABELS, LabelRules
from metadata_svc.domain.partial_edit import (
    PartialEdit,
    edit_violations,
    partly_edited_secure_value,
)
from metadata_svc.domain.resource import (
    Kind,
    Operation,
    Preconditions,
    ResourceT,
    Stamp,
    require_live,
)
from metadata_svc.domain.resource_rules import (
    raise_if_any,
    require_valid_address,
    stored_annotations,
)
from metadata_svc.domain.secure_value import Draft, SecureValue, edited
from metadata_svc.domain.selector import Selector, while_selected
from metadata_svc.domain.validation import require_valid
from metadata_svc.domain.value_id import ValueKey
from metadata_svc.ports.history import Change, ChangeType
from metadata_svc.ports.reader import Reader
from metadata_svc.ports.transactions import Transaction, Transactions
from metadata_svc.use_cases.access import authorise, stamp_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRequest:
    """A whole secure value to replace the present one, its value kept."""

    draft: Draft
    preconditions: Preconditions = field(default_factory=Preconditions)
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRequest:
    """Which object of a kind is to go, if it is there and selected."""

    namespace: str
    name: str
    preconditions: Preconditions = field(default_factory=Preconditions)
    dry_run: bool = False
    selector: Selector = field(default_factory=Selector)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialEditRequest:
    """An edit that names only what it changes."""

    edit: PartialEdit
    preconditions: Preconditions = field(default_factory=Preconditions)
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Generic[ResourceT]):
    """Which object is to change, if it is as the caller last saw it, and into what."""

    namespace: str
    name: str
    preconditions: Preconditions
    made_of: Callable[[ResourceT], ResourceT]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureValueEdits:
    """The writes that need no value."""

    transactions: Transactions
    reader: Reader
    clock: Clock
    labels: LabelRules = PLAIN_LABELS

    async def update(self, caller: Caller, request: EditRequest) -> SecureValue:
        """Everything but the value is as the draft says; no difference, no write.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError, ConflictError.
        """
        draft = request.draft
        authorise(caller, Action.WRITE, draft.namespace, draft.name)
        require_valid(draft, Operation.UPDATE, self.labels)
        wanted = replace(draft, annotations=stored_annotations(draft.annotations))
        stamp = self._stamp(caller, draft.namespace, draft.name)
        change: Wanted[SecureValue] = Wanted(
            namespace=draft.namespace,
            name=draft.name,
            preconditions=request.preconditions,
            made_of=lambda live: edited(live, wanted, stamp),
        )
        return await self._changed(change, dry_run=request.dry_run)

    async def edit(self, caller: Caller, request: PartialEditRequest) -> SecureValue:
        """The named parts are as the edit says; no difference, no write, unless it is blind.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError, ConflictError.
        """
        edit = request.edit
        authorise(caller, Action.WRITE, edit.namespace, edit.name)
        require_valid_address(edit.namespace, edit.name)
        stamp = self._stamp(caller, edit.namespace, edit.name)
        raise_if_any(edit_violations(edit, self.labels, blind=stamp.blind))
        change: Wanted[SecureValue] = Wanted(
            namespace=edit.namespace,
            name=edit.name,
            preconditions=request.preconditions,
            made_of=lambda live: partly_edited_secure_value(live, edit, stamp),
        )
        return await self._changed(change, dry_run=request.dry_run)

    async def delete(self, caller: Caller, request: DeleteRequest) -> SecureValue:
        """Gone for every reader at once, its value id released; answers what it last was.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError, ConflictError.
        """
        authorise(caller, Action.DELETE, request.namespace, request.name)
        require_valid_address(request.namespace, request.name)
        if request.dry_run:
            found = await self.reader.get(request.namespace, request.name)
            return _selected(found, request)
        return await self.transactions.run(lambda tx: _delete(tx, request))

    async def _changed(self, wanted: Wanted[SecureValue], *, dry_run: bool) -> SecureValue:
        if dry_run:
            found = await self.reader.get(wanted.namespace, wanted.name)
            return wanted.made_of(_live(found, wanted.name, wanted.preconditions))
        return await self.transactions.run(lambda tx: _update(tx, wanted))

    def _stamp(self, caller: Caller, namespace: str, name: str) -> Stamp:
        return stamp_of(caller, Kind.SECURE_VALUE, namespace, name, self.clock.now())


async def _update(tx: Transaction, wanted: Wanted[SecureValue]) -> SecureValue:
    locked = await tx.secure_values.lock(wanted.namespace, wanted.name)
    live = _live(locked, wanted.name, wanted.preconditions)
    edit = wanted.made_of(live)
    if edit is live:
        return live
    after = replace(edit, resource_version=await tx.history.advance(wanted.namespace))
    await tx.secure_values.replace(after)
    await tx.history.append(
        Change(
            type=ChangeType.MODIFIED,
            resource_version=after.resource_version,
            resource=after,
            previous=live,
        )
    )
    return after


async def _delete(tx: Transaction, request: DeleteRequest) -> SecureValue:
    locked = await tx.secure_values.lock_to_remove(request.namespace, request.name)
    live = _selected(locked, request)
    await tx.value_ids.release(ValueKey(live.namespace, live.value_id))
    await tx.secure_values.remove(live)
    await tx.history.append(
        Change(
            type=ChangeType.DELETED,
            resource_version=await tx.history.advance(request.namespace),
            resource=live,
            previous=live,
        )
    )
    return live


def _selected(found: SecureValue | None, request: DeleteRequest) -> SecureValue:
    selected = while_selected(found, request.selector)
    return _live(selected, request.name, request.preconditions)


def _live(found: SecureValue | None, name: str, preconditions: Preconditions) -> SecureValue:
    return require_live(found, preconditions, kind=Kind.SECURE_VALUE, name=name)
