"""The suite of ports.IdempotencyStore and ports.IdempotencyReader."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from metadata_svc.domain.idempotency import IdempotencyKey, RecordedCreate
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import a_keeper, a_secure_value

KEY = IdempotencyKey("default", "user:u1", "create-1")
# As long as a token's subject may be, in characters that no index takes that many of.
LONGEST = IdempotencyKey("n" * 63, "\N{GRINNING FACE}" * 1024, "~" * 255)
OTHERS = {
    "namespace": replace(KEY, namespace="other"),
    "subject": replace(KEY, subject="user:u2"),
    "key": replace(KEY, key="create-2"),
}
OUTCOME = a_secure_value(annotations={"a": "ж\n"}, decrypters=("x", "y"))
ONE, OTHER = bytes([1] * 32), bytes([2] * 32)
DAY, NOW = timedelta(days=1), timedelta(0)


class IdempotencyContract:
    async def test_a_key_is_taken_once_and_then_tells_its_outcome(self, stores: Stores) -> None:
        first = await _create(stores)
        second = await _take(stores, OTHER)

        assert (first, second) == (None, RecordedCreate(ONE, OUTCOME))
        assert await _find(stores) == RecordedCreate(ONE, OUTCOME)

    @pytest.mark.parametrize("outcome", [OUTCOME, a_keeper()], ids=lambda o: o.kind)
    async def test_an_outcome_of_either_kind_is_told_as_it_was(
        self, stores: Stores, outcome: SecureValue | Keeper
    ) -> None:
        await _create(stores, outcome=outcome)

        assert await _find(stores) == RecordedCreate(ONE, outcome)

    async def test_what_nobody_took_has_no_outcome(self, stores: Stores) -> None:
        assert await _find(stores) is None

    @pytest.mark.parametrize("key", OTHERS.values(), ids=OTHERS)
    async def test_another_namespace_caller_or_key_is_another(
        self, stores: Stores, key: IdempotencyKey
    ) -> None:
        await _create(stores)

        assert await _find(stores, key) is None
        assert await _create(stores, key=key) is None

    async def test_the_longest_key_fits(self, stores: Stores) -> None:
        await _create(stores, key=LONGEST)

        assert await _find(stores, LONGEST) == RecordedCreate(ONE, OUTCOME)

    async def test_a_key_is_taken_or_nothing_is_by_a_transaction_that_fails(
        self, stores: Stores
    ) -> None:
        class DiedError(Exception):
            pass

        async def die(tx: Transaction) -> None:
            await tx.idempotency.take(KEY, OTHER, younger_than=DAY)
            raise DiedError

        with pytest.raises(DiedError):
            await stores.transactions.run(die)

        assert await _find(stores) is None
        assert await _create(stores) is None

    async def test_of_many_that_take_a_key_at_once_one_does_and_all_others_are_told(
        self, stores: Stores
    ) -> None:
        answers = await asyncio.gather(*(_create(stores) for _ in range(8)))

        told = [answer for answer in answers if answer is not None]
        assert told == [RecordedCreate(ONE, OUTCOME)] * 7

    async def test_an_old_key_is_found_no_more_and_is_free(self, stores: Stores) -> None:
        await _create(stores)

        assert await _find(stores, younger_than=NOW) is None
        later = replace(OUTCOME, name="later")
        assert await _create(stores, OTHER, outcome=later, younger_than=NOW) is None
        assert await _find(stores) == RecordedCreate(OTHER, later)

    async def test_old_keys_are_trimmed_at_most_so_many_at_a_time(self, stores: Stores) -> None:
        keys = [replace(KEY, key=f"create-{number}") for number in range(3)]
        for key in keys:
            await _create(stores, key=key)

        trimmed = [await _trim(stores, NOW, limit=2) for _ in range(3)]

        assert trimmed == [2, 1, 0]
        assert [await _find(stores, key) for key in keys] == [None] * 3

    async def test_what_is_younger_is_not_trimmed(self, stores: Stores) -> None:
        await _create(stores)

        assert await _trim(stores, timedelta(hours=1), limit=10) == 0
        assert await _find(stores) is not None


async def _create(
    stores: Stores,
    fingerprint: bytes = ONE,
    *,
    key: IdempotencyKey = KEY,
    outcome: SecureValue | Keeper = OUTCOME,
    younger_than: timedelta = DAY,
) -> RecordedCreate | None:
    """Takes the key and, if it is free, records the outcome."""

    async def work(tx: Transaction) -> RecordedCreate | None:
        recorded = await tx.idempotency.take(key, fingerprint, younger_than=younger_than)
        if recorded is None:
            await tx.idempotency.record(key, outcome)
        return recorded

    return await stores.transactions.run(work)


async def _take(stores: Stores, fingerprint: bytes) -> RecordedCreate | None:
    return await stores.transactions.run(
        lambda tx: tx.idempotency.take(KEY, fingerprint, younger_than=DAY)
    )


async def _find(
    stores: Stores, key: IdempotencyKey = KEY, *, younger_than: timedelta = DAY
) -> RecordedCreate | None:
    return await stores.idempotency.find(key, younger_than=younger_than)


async def _trim(stores: Stores, minimum_age: timedelta, *, limit: int) -> int:
    return await stores.transactions.run(
        lambda tx: tx.idempotency.trim(minimum_age=minimum_age, limit=limit)
    )
