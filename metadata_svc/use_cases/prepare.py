"""Prepare: says whether a write with a value may happen and as what; writes nothing."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from chassis.caller import Caller
from chassis.clock import Clock, NewId, RandomBytes
from chassis.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    KnownError,
    UnavailableError,
)
from metadata_svc.domain.access import Action
from metadata_svc.domain.generated_name import SUFFIX_LENGTH, completed
from metadata_svc.domain.idempotency import Idempotency, idempotency_violations
from metadata_svc.domain.keeper import is_system, keeper_for_create
from metadata_svc.domain.labels import PLAIN_LABELS, LabelRules
from metadata_svc.domain.resource import (
    Kind,
    Operation,
    Preconditions,
    Stamp,
    require_free,
    require_live,
)
from metadata_svc.domain.resource_rules import raise_if_any, stored_annotations
from metadata_svc.domain.secure_value import (
    Draft,
    PreparedWrite,
    SecureValue,
    created,
    with_value,
)
from metadata_svc.domain.validation import require_valid
from metadata_svc.ports.idempotency import IdempotencyReader
from metadata_svc.ports.keepers import KeeperReader
from metadata_svc.ports.reader import Reader
from metadata_svc.ports.transactions import Replication
from metadata_svc.use_cases.access import authorise, stamp_of
from metadata_svc.use_cases.idempotency import DAY, Repeatable, made_before, repeatable

KEEPER_IS_GONE = "the keeper of this secure value does not exist any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """A write with a value, before there is one."""

    operation: Operation
    draft: Draft
    preconditions: Preconditions = field(default_factory=Preconditions)
    # Only for a write that is to happen: a dry run neither repeats nor is repeated.
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What Claim is to be given, and what the write would make if nothing intervenes."""

    write: PreparedWrite
    preview: SecureValue


@dataclass(frozen=True, slots=True)
class WrittenBefore:
    """The same create was sent before; what it made then."""

    secure_value: SecureValue


def authorise_write(caller: Caller, operation: Operation, draft: Draft) -> None:
    """Return if the caller may do this write; a name yet to be chosen needs the whole scope.

    Raises PermissionDeniedError.
    """
    if operation is Operation.UPDATE:
        authorise(caller, Action.WRITE, draft.namespace, draft.name)
    else:
        authorise(caller, Action.CREATE, draft.namespace, draft.name or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareWrite:
    """Decides a write without doing any of it.

    What ends the write here, a refusal or the outcome of an earlier create, is answered only
    once no fail-over contradicts it.
    """

    replication: Replication
    reader: Reader
    keepers: KeeperReader
    idempotency: IdempotencyReader
    clock: Clock
    new_id: NewId
    random_bytes: RandomBytes
    idempotency_retention: timedelta = DAY
    labels: LabelRules = PLAIN_LABELS

    async def prepare(
        self, caller: Caller, request: PrepareRequest
    ) -> Prepared | WrittenBefore:
        """The write may happen, as answered, or it was a create that did.

        Raises PermissionDeniedError, InvalidArgumentError, AlreadyExistsError (create),
        NotFoundError and ConflictError (update), FailedPreconditionError (its keeper is gone).
        """
        authorise_write(caller, request.operation, request.draft)
        require_valid(request.draft, request.operation, self.labels)
        raise_if_any(idempotency_violations(request.idempotency, request.operation))
        draft = replace(
            request.draft, annotations=stored_annotations(request.draft.annotations)
        )
        stamp = stamp_of(
            caller, Kind.SECURE_VALUE, draft.namespace, draft.name, self.clock.now()
        )
        sent = repeatable(
            caller, draft.namespace, request.idempotency, self.idempotency_retention
        )
        try:
            if request.operation is Operation.CREATE:
                answer = await self._create(draft, sent, stamp)
            else:
                answer = await self._update(draft, request.preconditions, stamp)
        except (UnavailableError, DeadlineExceededError):
            raise
        except KnownError:
            await self.replication.replicated()
            raise
        if isinstance(answer, WrittenBefore):
            await self.replication.replicated()
        return answer

    async def _create(
        self, draft: Draft, sent: Repeatable | None, stamp: Stamp
    ) -> Prepared | WrittenBefore:
        name = draft.name or completed(draft.generate_name, self.random_bytes(SUFFIX_LENGTH))
        found = await self.reader.get(draft.namespace, name)
        # Read after the name: whoever is seen to have taken it is seen to have had the key.
        before = await made_before(self.idempotency, sent, SecureValue)
        if before is not None:
            return WrittenBefore(before)
        require_free(found, kind=Kind.SECURE_VALUE, name=name)
        write = PreparedWrite(
            operation=Operation.CREATE,
            name=name,
            uid=self.new_id(),
            keeper=keeper_for_create(await self.keepers.active(draft.namespace)),
            value_id=self.new_id(),
        )
        version = await self.reader.last_version(draft.namespace, name) + 1
        preview = created(write, draft, version=version, stamp=stamp)
        return Prepared(write, preview)

    async def _update(self, draft: Draft, expected: Preconditions, stamp: Stamp) -> Prepared:
        found = await self.reader.get(draft.namespace, draft.name)
        live = require_live(found, expected, kind=Kind.SECURE_VALUE, name=draft.name)
        if not is_system(live.keeper) and not await self.keepers.exists(
            draft.namespace, live.keeper
        ):
            raise FailedPreconditionError(KEEPER_IS_GONE)
        write = PreparedWrite(
            operation=Operation.UPDATE,
            name=live.name,
            uid=live.uid,
            keeper=live.keeper,
            value_id=self.new_id(),
        )
        preview = with_value(
            live, draft, value_id=write.value_id, version=live.version + 1, stamp=stamp
        )
        return Prepared(write, preview)
