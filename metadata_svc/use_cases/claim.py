"""Claim: the transaction whose commit is the moment a write with a value happens.

- The idempotency key, if the caller chose one, decides which of its equal creates happens: the
  others get that one's outcome, and their value ids are refused.
- The value id's key decides against Refuse and against a second Claim, before all the rest.
- The checks of Prepare are repeated under locks; only the keeper is not chosen again.
- Asked again for the same write, it answers the recorded outcome and moves nothing; once the
  outcome is forgotten, it fails and moves nothing.
- A Claim whose answer is that it failed has not happened and never will: another like it may
  still be on its way, and what it failed by may pass. So its id is refused before the answer,
  and everybody's last word is that one row.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from chassis.caller import Caller, Principal
from chassis.clock import Clock
from chassis.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    KnownError,
    Rule,
    UnavailableError,
)
from metadata_svc.domain.generated_name import is_completion
from metadata_svc.domain.idempotency import Idempotency, idempotency_violations
from metadata_svc.domain.keeper import is_system
from metadata_svc.domain.labels import PLAIN_LABELS, LabelRules
from metadata_svc.domain.resource import Kind, Preconditions, Stamp
from metadata_svc.domain.resource_rules import raise_if_any, stored_annotations
from metadata_svc.domain.secure_value import (
    Draft,
    PreparedWrite,
    SecureValue,
    created,
    recorded_for,
    stale_claim,
    superseded_by,
    with_value,
)
from metadata_svc.domain.text import is_name
from metadata_svc.domain.validation import require_valid
from metadata_svc.domain.value_id import ValueKey, ValueRecord, ValueState
from metadata_svc.ports.history import Change, ChangeType
from metadata_svc.ports.transactions import Transaction, Transactions
from metadata_svc.use_cases.access import stamp_of
from metadata_svc.use_cases.idempotency import DAY, Repeatable, made_once, repeatable
from metadata_svc.use_cases.prepare import KEEPER_IS_GONE, authorise_write


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """A prepared write, whose value the vault has committed, with what Prepare was asked."""

    write: PreparedWrite
    draft: Draft
    preconditions: Preconditions = field(default_factory=Preconditions)
    idempotency: Idempotency | None = None

    @property
    def key(self) -> ValueKey:
        """The value it claims."""
        return ValueKey(self.draft.namespace, self.write.value_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWrite:
    """Makes prepared writes happen, each once."""

    transactions: Transactions
    clock: Clock
    idempotency_retention: timedelta = DAY
    labels: LabelRules = PLAIN_LABELS

    async def claim(self, caller: Caller, request: ClaimRequest) -> SecureValue:
        """The secure value exists as drafted and points to the value id.

        Or the same create has happened under another value id, and this is what it made.

        Raises PermissionDeniedError, InvalidArgumentError, AlreadyExistsError (create),
        NotFoundError and ConflictError (update), ConflictError (the id was refused, or claimed
        so long ago that the outcome is forgotten), FailedPreconditionError (the keeper is gone,
        or the id was claimed for another write).

        After the last four no Claim of the id moves anything any more, not even one that is
        still on its way. The first two may be found before the id is looked at, and then say
        nothing of another Claim; UnavailableError leaves everything open.
        """
        authorise_write(caller, request.write.operation, request.draft)
        require_valid(request.draft, request.write.operation, self.labels)
        raise_if_any(idempotency_violations(request.idempotency, request.write.operation))
        _require_own_name(request)
        draft = replace(
            request.draft, annotations=stored_annotations(request.draft.annotations)
        )
        stamp = stamp_of(
            caller, Kind.SECURE_VALUE, draft.namespace, request.write.name, self.clock.now()
        )
        wanted = replace(request, draft=draft)
        sent = repeatable(
            caller, draft.namespace, request.idempotency, self.idempotency_retention
        )
        return await self._settled(
            wanted.key, lambda tx: _claim_or_repeat(tx, wanted, sent, stamp)
        )

    async def _settled(
        self, key: ValueKey, attempt: Callable[[Transaction], Awaitable[SecureValue]]
    ) -> SecureValue:
        """What the attempt makes; or what it raises, and nobody will ever claim the id.

        Only a failure costs the second transaction.
        """
        try:
            return await self.transactions.run(attempt)
        except (UnavailableError, DeadlineExceededError):
            raise
        except KnownError:
            states = await self.transactions.run(lambda tx: tx.value_ids.refuse([key]))
            if states[key] is ValueState.REFUSED:
                raise
        # It was claimed before, or in between by a Claim like this one: what is recorded of it.
        return await self.transactions.run(attempt)


def _require_own_name(request: ClaimRequest) -> None:
    name, draft = request.write.name, request.draft
    if is_name(name) and (
        name == draft.name or (not draft.name and is_completion(name, draft.generate_name))
    ):
        return
    message = "must be the name that Prepare answered for this draft"
    raise InvalidArgumentError(
        violations=(FieldViolation("prepared.name", Rule.INVALID, message),)
    )


async def _claim_or_repeat(
    tx: Transaction, request: ClaimRequest, sent: Repeatable | None, stamp: Stamp
) -> SecureValue:
    made = await made_once(tx, sent, SecureValue, lambda: _claim(tx, request, stamp))
    if made.value_id != request.write.value_id:
        # Made under another id. The key that says so is forgotten one day; this is not.
        await tx.value_ids.refuse([request.key])
    return made


async def _claim(tx: Transaction, request: ClaimRequest, stamp: Stamp) -> SecureValue:
    recorded = await tx.value_ids.claim(request.key)
    if recorded is not None:
        return _recorded_outcome(recorded, request.write, stamp.by)
    namespace, write = request.draft.namespace, request.write
    version = await tx.secure_values.next_version(namespace, write.name)
    live = superseded_by(
        write, await tx.secure_values.lock(namespace, write.name), request.preconditions
    )
    if not is_system(write.keeper) and not await tx.keepers.lock(namespace, write.keeper):
        raise FailedPreconditionError(KEEPER_IS_GONE)
    after = _after(request, live, version, stamp)
    if live is not None:
        await tx.value_ids.release(ValueKey(namespace, live.value_id))
    after = replace(after, resource_version=await tx.history.advance(namespace))
    await _write(tx, after, live)
    return after


def _after(
    request: ClaimRequest, live: SecureValue | None, version: int, stamp: Stamp
) -> SecureValue:
    write, draft = request.write, request.draft
    if live is None:
        return created(write, draft, version=version, stamp=stamp)
    return with_value(live, draft, value_id=write.value_id, version=version, stamp=stamp)


async def _write(tx: Transaction, after: SecureValue, live: SecureValue | None) -> None:
    if live is None:
        await tx.secure_values.insert(after)
    else:
        await tx.secure_values.replace(after)
    await tx.value_ids.record(ValueKey(after.namespace, after.value_id), after)
    await tx.history.append(
        Change(
            type=ChangeType.ADDED if live is None else ChangeType.MODIFIED,
            resource_version=after.resource_version,
            resource=after,
            previous=live,
        )
    )


def _recorded_outcome(
    recorded: ValueRecord, write: PreparedWrite, by: Principal
) -> SecureValue:
    if recorded.outcome is None:
        raise stale_claim()
    if not recorded_for(recorded.outcome, write, by):
        raise FailedPreconditionError("the value id was claimed for another write")
    return recorded.outcome
