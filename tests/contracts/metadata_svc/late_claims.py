"""What a Claim promises whose like is still on its way, on any stores.

A Claim may be asked twice and arrive in any order. One that was answered with a failure has not
happened, and the same Claim never will, however late it arrives and whatever changed meanwhile.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from metadata_svc.domain.idempotency import Fingerprint, Idempotency
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import Draft, SecureValue
from metadata_svc.domain.value_id import ValueKey, ValueRecord, ValueState
from metadata_svc.ports.transactions import Transaction, Transactions
from metadata_svc.use_cases.claim import ClaimRequest
from metadata_svc.use_cases.prepare import Prepared, PrepareRequest
from tests.contracts.metadata_svc.application import Application, described, last_seen
from tests.contracts.metadata_svc.stores import key_of, put_keepers
from tests.fakes.metadata_svc.builders import NAMESPACE, a_caller, a_draft, a_keeper

T = TypeVar("T")

DRAFT = a_draft()
GENERATED = a_draft(name="", generate_name="sv-")
ASKED = Idempotency("create-1", Fingerprint(bytes([1] * 32)))
OTHERWISE = Idempotency("create-1", Fingerprint(bytes([2] * 32)))
AWS = a_keeper(name="aws", active=True)
BARRED = ValueRecord(ValueState.REFUSED, None)

Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Obstacle:
    """Why a Claim fails, and what would let the same Claim succeed later."""

    error: type[KnownError]
    request: ClaimRequest
    removed: Step


async def taken_name(application: Application) -> Obstacle:
    late = await application.prepare(DRAFT)
    await application.create()
    return Obstacle(AlreadyExistsError, _request(late), lambda: _delete(application))


async def missing_keeper(application: Application) -> Obstacle:
    await put_keepers(application.stores, AWS)
    late = await application.prepare(DRAFT)

    async def remove(tx: Transaction) -> None:
        await tx.keepers.lock_to_change(NAMESPACE, AWS.name)
        await tx.keepers.remove(AWS)

    await application.stores.transactions.run(remove)
    return Obstacle(
        FailedPreconditionError, _request(late), lambda: put_keepers(application.stores, AWS)
    )


async def used_key(application: Application) -> Obstacle:
    late = await _prepared(application, OTHERWISE, GENERATED)
    await application.create_once(ASKED, DRAFT)
    request = _request(late, GENERATED, idempotency=OTHERWISE)
    return Obstacle(InvalidArgumentError, request, application.idempotency_keys.trim)


async def deleted_name(application: Application) -> Obstacle:
    await application.create()
    late = await application.prepare(DRAFT, operation=Operation.UPDATE)
    await _delete(application)
    return Obstacle(NotFoundError, _request(late), application.create)


async def other_uid(application: Application) -> Obstacle:
    obstacle = await deleted_name(application)
    await application.create()
    return replace(obstacle, error=ConflictError, removed=lambda: application.update(DRAFT))


async def other_resource_version(application: Application) -> Obstacle:
    seen = last_seen(await application.create())
    late = await application.prepare(DRAFT, operation=Operation.UPDATE, preconditions=seen)
    await application.update(DRAFT)
    request = replace(_request(late), preconditions=seen)
    return Obstacle(ConflictError, request, lambda: application.update(DRAFT))


OBSTACLES = (
    taken_name,
    missing_keeper,
    used_key,
    deleted_name,
    other_uid,
    other_resource_version,
)


@dataclass
class Watched:
    """Transactions before whose second something happens."""

    inner: Transactions
    before_second: Step
    runs: int = field(default=0)

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        self.runs += 1
        if self.runs == 2:
            await self.before_second()
        return await self.inner.run(work)


class LateClaimsContract:
    @pytest.mark.parametrize("arrange", OBSTACLES, ids=lambda a: a.__name__)
    async def test_a_claim_that_failed_never_happens_later(
        self, application: Application, arrange: Callable[[Application], Awaitable[Obstacle]]
    ) -> None:
        obstacle = await arrange(application)
        with pytest.raises(obstacle.error):
            await _claim(application, obstacle.request)

        await obstacle.removed()
        before = await _seen(application)

        with pytest.raises(ConflictError):
            await _claim(application, obstacle.request)
        assert await _seen(application) == before
        assert await _recorded(application, obstacle.request.key) == BARRED

    @pytest.mark.parametrize("afterwards", ["live", "deleted", "superseded"])
    async def test_a_claim_that_came_between_a_failure_and_its_answer_is_what_is_answered(
        self, application: Application, afterwards: str
    ) -> None:
        obstacle = await taken_name(application)
        made: list[SecureValue] = []

        async def overtake() -> None:
            await obstacle.removed()
            made.append(await _claim(application, obstacle.request))
            if afterwards == "deleted":
                await _delete(application)
            elif afterwards == "superseded":
                await application.update(described(DRAFT, "another"))

        transactions, answering = watched(application, overtake)

        assert await _claim(answering, obstacle.request) == made[0]
        assert transactions.runs == 3
        state = ValueState.CLAIMED if afterwards == "live" else ValueState.RELEASED
        assert await _recorded(application, key_of(made[0])) == ValueRecord(state, made[0])

    async def test_a_failure_that_cannot_be_made_final_is_not_answered(
        self, application: Application
    ) -> None:
        obstacle = await taken_name(application)

        async def fail() -> None:
            raise UnavailableError

        _, answering = watched(application, fail)

        with pytest.raises(UnavailableError):
            await _claim(answering, obstacle.request)
        with pytest.raises(AlreadyExistsError):
            await _claim(application, obstacle.request)
        assert await _recorded(application, obstacle.request.key) == BARRED

    async def test_an_outage_bars_nothing(self, application: Application) -> None:
        prepared = await application.prepare(DRAFT)
        claiming = replace(application.claiming, transactions=_Broken())

        with pytest.raises(UnavailableError):
            await claiming.claim(a_caller(), _request(prepared))

        assert (await _claim(application, _request(prepared))).version == 1

    async def test_a_denial_or_a_bad_draft_bars_nothing(self, application: Application) -> None:
        prepared = await application.prepare(DRAFT)

        with pytest.raises(PermissionDeniedError):
            await application.claim(prepared.write, DRAFT, caller=a_caller(roles=frozenset()))
        with pytest.raises(InvalidArgumentError):
            await application.claim(prepared.write, described(DRAFT, ""))

        assert (await _claim(application, _request(prepared))).version == 1

    async def test_a_claim_that_succeeds_is_one_transaction(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)
        transactions, answering = watched(application, _nothing)

        await _claim(answering, _request(prepared))

        assert transactions.runs == 1

    async def test_a_claim_answered_with_what_its_like_made_never_happens_itself(
        self, application: Application
    ) -> None:
        late = await _prepared(application, ASKED, DRAFT)
        request = _request(late, idempotency=ASKED)
        made = await application.create_once(ASKED, DRAFT)
        assert await _claim(application, request) == made

        await _delete(application)
        await application.idempotency_keys.trim()

        with pytest.raises(ConflictError):
            await _claim(application, request)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None
        assert await _recorded(application, request.key) == BARRED

    async def test_a_claim_that_failed_leaves_its_key_to_the_next_create(
        self, application: Application
    ) -> None:
        late = await _prepared(application, ASKED, DRAFT)
        request = _request(late, idempotency=ASKED)
        await application.create()
        with pytest.raises(AlreadyExistsError):
            await _claim(application, request)
        await _delete(application)

        made = await application.create_once(ASKED, DRAFT)

        # The same create by now, under another id.
        assert await _claim(application, request) == made
        assert made.version == 2


class _Broken:
    """A database that cannot be had."""

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        raise UnavailableError


async def _nothing() -> None:
    """Nothing happens."""


def watched(application: Application, before_second: Step) -> tuple[Watched, Application]:
    """Another process on the same database, whose transactions are watched."""
    transactions = Watched(application.stores.transactions, before_second)
    return transactions, Application(replace(application.stores, transactions=transactions))


def _request(
    prepared: Prepared, draft: Draft = DRAFT, *, idempotency: Idempotency | None = None
) -> ClaimRequest:
    return ClaimRequest(write=prepared.write, draft=draft, idempotency=idempotency)


async def _prepared(application: Application, asked: Idempotency, draft: Draft) -> Prepared:
    request = PrepareRequest(operation=Operation.CREATE, draft=draft, idempotency=asked)
    answer = await application.preparing.prepare(a_caller(), request)
    assert isinstance(answer, Prepared)
    return answer


async def _claim(application: Application, request: ClaimRequest) -> SecureValue:
    return await application.claiming.claim(a_caller(), request)


async def _delete(application: Application) -> None:
    await application.delete(NAMESPACE, DRAFT.name)


async def _recorded(application: Application, key: ValueKey) -> ValueRecord | None:
    """What is recorded of the id; None, and it is claimed by this, if nothing was."""
    return await application.stores.transactions.run(lambda tx: tx.value_ids.claim(key))


async def _seen(application: Application) -> tuple[SecureValue | None, int]:
    """What is live under the name, and how many writes the namespace has seen."""
    reader = application.stores.reader
    return await reader.get(NAMESPACE, DRAFT.name), await reader.resource_version(NAMESPACE)
