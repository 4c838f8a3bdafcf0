"""Metadata-only edit and delete: one transaction each; the vault hears nothing."""

from dataclasses import dataclass, field, replace

from chassis.caller import Caller
from chassis.clock import Clock
from metadata_svc.domain.access import Action
from metadata_svc.domain.resource import (
    Kind,
    Operation,
    Preconditions,
    Stamp,
    require_live,
)
from metadata_svc.domain.resource_rules import require_valid_address, stored_annotations
from metadata_svc.domain.secure_value import Draft, SecureValue, edited
from metadata_svc.domain.selector import Selector, while_selected
from metadata_svc.domain.validation import require_valid
from metadata_svc.domain.value_id import ValueKey
from metadata_svc.ports.history import Change, ChangeType
from metadata_svc.ports.reader import Reader
from metadata_svc.ports.transactions import Transaction, Transactions
from metadata_svc.use_cases.access import authorise


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
class SecureValueEdits:
    """The writes that need no value."""

    transactions: Transactions
    reader: Reader
    clock: Clock

    async def update(self, caller: Caller, request: EditRequest) -> SecureValue:
        """Everything but the value is as the draft says; no difference, no write.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError, ConflictError.
        """
        draft = request.draft
        authorise(caller, Action.WRITE, draft.namespace, draft.name)
        require_valid(draft, Operation.UPDATE)
        wanted = replace(draft, annotations=stored_annotations(draft.annotations))
        stamp = Stamp(caller.principal, self.clock.now())
        if request.dry_run:
            found = await self.reader.get(draft.namespace, draft.name)
            return edited(_live(found, draft.name, request.preconditions), wanted, stamp)
        return await self.transactions.run(
            lambda tx: _update(tx, wanted, request.preconditions, stamp)
        )

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


async def _update(
    tx: Transaction, draft: Draft, preconditions: Preconditions, stamp: Stamp
) -> SecureValue:
    locked = await tx.secure_values.lock(draft.namespace, draft.name)
    live = _live(locked, draft.name, preconditions)
    edit = edited(live, draft, stamp)
    if edit is live:
        return live
    after = replace(edit, resource_version=await tx.history.advance(draft.namespace))
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
    locked = await tx.secure_values.lock(request.namespace, request.name)
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
