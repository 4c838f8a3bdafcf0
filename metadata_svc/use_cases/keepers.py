"""Keepers: create, replace, delete and activate; one transaction each.

A dry run takes the same path to the point where it would write.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from chassis.caller import Caller
from chassis.clock import Clock, NewId, RandomBytes
from chassis.errors import AlreadyExistsError
from metadata_svc.domain.access import Action
from metadata_svc.domain.generated_name import SUFFIX_LENGTH, completed
from metadata_svc.domain.idempotency import (
    Idempotency,
    keeper_fingerprint,
    key_violations,
)
from metadata_svc.domain.keeper import (
    MAX_KEEPERS,
    Keeper,
    KeeperDraft,
    created_keeper,
    edited_keeper,
    is_system,
    still_in_use,
    switched,
    too_many_keepers,
)
from metadata_svc.domain.keeper_validation import keeper_violations, require_valid_keeper
from metadata_svc.domain.labels import PLAIN_LABELS, LabelRules
from metadata_svc.domain.partial_edit import edit_violations, partly_edited_keeper
from metadata_svc.domain.resource import (
    Kind,
    Operation,
    Preconditions,
    Stamp,
    require_free,
    require_live,
)
from metadata_svc.domain.resource_rules import (
    raise_if_any,
    require_valid_address,
    stored_annotations,
)
from metadata_svc.domain.selector import while_selected
from metadata_svc.ports.history import Change, ChangeType
from metadata_svc.ports.transactions import Transaction, Transactions
from metadata_svc.use_cases.access import authorise, stamp_of
from metadata_svc.use_cases.edits import DeleteRequest, PartialEditRequest, Wanted
from metadata_svc.use_cases.idempotency import DAY, made_once, repeatable

T = TypeVar("T")

GENERATED_NAMES = 3  # how many are tried; two collisions in a row are a fault, not chance
_NOTHING_SEEN = Preconditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKeeperRequest:
    """A keeper that is to be."""

    draft: KeeperDraft
    dry_run: bool = False
    # The caller's own name for this create, under which it happens once; may be empty.
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditKeeperRequest:
    """A whole keeper to replace the present one."""

    draft: KeeperDraft
    preconditions: Preconditions = field(default_factory=Preconditions)
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateRequest:
    """Where new secure values of the namespace are to be kept."""

    namespace: str
    name: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperWrites:
    """Everything that changes keepers."""

    transactions: Transactions
    clock: Clock
    new_id: NewId
    random_bytes: RandomBytes
    idempotency_retention: timedelta = DAY
    labels: LabelRules = PLAIN_LABELS

    async def create(self, caller: Caller, request: CreateKeeperRequest) -> Keeper:
        """The keeper exists and is not active. For a dry run its resource version is 0.

        Under an idempotency key, the same create is made once; sent again, it is answered with
        what it made then.

        Raises PermissionDeniedError, InvalidArgumentError, AlreadyExistsError, and
        FailedPreconditionError when the namespace has as many keepers as it may.
        """
        draft = request.draft
        authorise(caller, Action.CREATE_KEEPER, draft.namespace, draft.name or None)
        _require_valid_create(request, self.labels)
        wanted = _with_stored_annotations(draft)
        stamp = Stamp(caller.principal, self.clock.now())
        sent = repeatable(
            caller, draft.namespace, _idempotency(request), self.idempotency_retention
        )

        async def once() -> Keeper:
            keeper = created_keeper(
                wanted,
                name=self._name(draft),
                uid=self.new_id(),
                stamp=stamp,
            )

            async def work(tx: Transaction) -> Keeper:
                return await made_once(
                    tx, sent, Keeper, lambda: _create(tx, keeper, dry_run=request.dry_run)
                )

            return await self.transactions.run(work)

        return await _with_another_name(once, attempts=1 if draft.name else GENERATED_NAMES)

    async def update(self, caller: Caller, request: EditKeeperRequest) -> Keeper:
        """The keeper is as the draft says, and as active as before; no difference, no write.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError, ConflictError.
        """
        draft = request.draft
        authorise(caller, Action.WRITE_KEEPER, draft.namespace, draft.name)
        require_valid_keeper(draft, Operation.UPDATE, self.labels)
        wanted = _with_stored_annotations(draft)
        stamp = stamp_of(caller, Kind.KEEPER, draft.namespace, draft.name, self.clock.now())
        change: Wanted[Keeper] = Wanted(
            namespace=draft.namespace,
            name=draft.name,
            preconditions=request.preconditions,
            made_of=lambda live: edited_keeper(live, wanted, stamp),
        )
        return await self._changed(change, dry_run=request.dry_run)

    async def edit(self, caller: Caller, request: PartialEditRequest) -> Keeper:
        """The named parts are as the edit says; no difference, no write, unless it is blind.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError, ConflictError.
        """
        edit = request.edit
        authorise(caller, Action.WRITE_KEEPER, edit.namespace, edit.name)
        require_valid_address(edit.namespace, edit.name)
        stamp = stamp_of(caller, Kind.KEEPER, edit.namespace, edit.name, self.clock.now())
        raise_if_any(edit_violations(edit, self.labels, blind=stamp.blind))
        change: Wanted[Keeper] = Wanted(
            namespace=edit.namespace,
            name=edit.name,
            preconditions=request.preconditions,
            made_of=lambda live: partly_edited_keeper(live, edit, stamp),
        )
        return await self._changed(change, dry_run=request.dry_run)

    async def delete(self, caller: Caller, request: DeleteRequest) -> Keeper:
        """Gone; new values are kept by the vault itself if it was active. What it last was.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError, ConflictError, and
        FailedPreconditionError while a secure value is kept there.
        """
        authorise(caller, Action.DELETE_KEEPER, request.namespace, request.name)
        require_valid_address(request.namespace, request.name)
        return await self.transactions.run(lambda tx: _delete(tx, request))

    async def activate(self, caller: Caller, request: ActivateRequest) -> Keeper | None:
        """New secure values are kept there, None being the vault itself.

        Whoever chooses the vault needs the right to write every keeper.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError.
        """
        system = is_system(request.name)
        name = None if system else request.name
        authorise(caller, Action.WRITE_KEEPER, request.namespace, name)
        require_valid_address(request.namespace, request.name)
        stamp = stamp_of(caller, Kind.KEEPER, request.namespace, request.name, self.clock.now())
        return await self.transactions.run(lambda tx: _activate(tx, request, stamp))

    async def _changed(self, wanted: Wanted[Keeper], *, dry_run: bool) -> Keeper:
        return await self.transactions.run(lambda tx: _update(tx, wanted, dry_run=dry_run))

    def _name(self, draft: KeeperDraft) -> str:
        return draft.name or completed(draft.generate_name, self.random_bytes(SUFFIX_LENGTH))


def _require_valid_create(request: CreateKeeperRequest, labels: LabelRules) -> None:
    key = request.idempotency_key
    raise_if_any(
        (
            *keeper_violations(request.draft, Operation.CREATE, labels),
            *(key_violations(key) if key else ()),
        )
    )


def _idempotency(request: CreateKeeperRequest) -> Idempotency | None:
    """None for a dry run, too: it neither repeats nor is repeated."""
    if request.dry_run or not request.idempotency_key:
        return None
    return Idempotency(request.idempotency_key, keeper_fingerprint(request.draft))


def _with_stored_annotations(draft: KeeperDraft) -> KeeperDraft:
    return replace(draft, annotations=stored_annotations(draft.annotations))


async def _with_another_name(once: Callable[[], Awaitable[T]], *, attempts: int) -> T:
    for _ in range(attempts - 1):
        try:
            return await once()
        except AlreadyExistsError:
            continue
    return await once()


async def _create(tx: Transaction, keeper: Keeper, *, dry_run: bool) -> Keeper:
    live = await tx.keepers.lock_to_change(keeper.namespace, keeper.name)
    require_free(live, kind=Kind.KEEPER, name=keeper.name)
    number = 0 if dry_run else await tx.history.advance(keeper.namespace)
    if await tx.keepers.count(keeper.namespace) >= MAX_KEEPERS:
        raise too_many_keepers()
    if dry_run:
        return keeper
    after = replace(keeper, resource_version=number)
    await tx.keepers.insert(after)
    await _append(tx, ChangeType.ADDED, after, None)
    return after


async def _update(tx: Transaction, wanted: Wanted[Keeper], *, dry_run: bool) -> Keeper:
    locked = await tx.keepers.lock_to_change(wanted.namespace, wanted.name)
    live = require_live(locked, wanted.preconditions, kind=Kind.KEEPER, name=wanted.name)
    edit = wanted.made_of(live)
    if edit is live or dry_run:
        return edit
    return await _replace(tx, edit, live)


async def _delete(tx: Transaction, request: DeleteRequest) -> Keeper:
    namespace, name = request.namespace, request.name
    locked = await tx.keepers.lock_to_remove(namespace, name)
    selected = while_selected(locked, request.selector)
    live = require_live(selected, request.preconditions, kind=Kind.KEEPER, name=name)
    # Whoever claims a value for this keeper locks it first, so none is added from here on.
    if await tx.secure_values.any_kept_by(namespace, name):
        raise still_in_use(name)
    if request.dry_run:
        return live
    await tx.keepers.remove(live)
    number = await tx.history.advance(namespace)
    change = Change(
        type=ChangeType.DELETED, resource_version=number, resource=live, previous=live
    )
    await tx.history.append(change)
    return live


async def _activate(tx: Transaction, request: ActivateRequest, stamp: Stamp) -> Keeper | None:
    locked = await _locked_to_activate(tx, request)
    chosen = _chosen(locked, request.name)
    # The one that was active goes first: at no moment are there two.
    for keeper in locked:
        if keeper.active and keeper is not chosen:
            await _replace(tx, switched(keeper, stamp, active=False), keeper)
    if chosen is None or (chosen.active and not stamp.blind):
        return chosen
    after = switched(chosen, stamp, active=True)
    return after if request.dry_run else await _replace(tx, after, chosen)


async def _locked_to_activate(tx: Transaction, request: ActivateRequest) -> tuple[Keeper, ...]:
    """For a dry run the named one only: the active one is left alone."""
    if not request.dry_run:
        return await tx.keepers.lock_to_activate(request.namespace, request.name)
    found = await tx.keepers.lock_to_change(request.namespace, request.name)
    return () if found is None else (found,)


def _chosen(locked: tuple[Keeper, ...], name: str) -> Keeper | None:
    """The named one, None being the vault itself. Raises NotFoundError."""
    if is_system(name):
        return None
    found = next((keeper for keeper in locked if keeper.name == name), None)
    return require_live(found, _NOTHING_SEEN, kind=Kind.KEEPER, name=name)


async def _replace(tx: Transaction, edit: Keeper, live: Keeper) -> Keeper:
    after = replace(edit, resource_version=await tx.history.advance(live.namespace))
    await tx.keepers.replace(after)
    await _append(tx, ChangeType.MODIFIED, after, live)
    return after


async def _append(
    tx: Transaction, change_type: ChangeType, after: Keeper, before: Keeper | None
) -> None:
    change = Change(
        type=change_type,
        resource_version=after.resource_version,
        resource=after,
        previous=before,
    )
    await tx.history.append(change)
