"""The suite of ports.IdempotencyStore and ports.IdempotencyReader."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.caller import Principal
from metadata_svc.domain.idempotency import Fingerprint, IdempotencyKey, RecordedCreate
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import a_keeper, a_secure_value

BY = Principal("https://a.example", "user:u1")
KEY = IdempotencyKey("default", BY, "create-1")
# As long as a token's subject may be, in characters that no index takes that many of.
LONGEST = IdempotencyKey("n" * 63, Principal("i" * 1024, "\N{GRINNING FACE}" * 1024), "~" * 255)
OTHERS = {
    "namespace": replace(KEY, namespace="other"),
    "issuer": replace(KEY, by=BY._replace(issuer="https://b.example")),
    "subject": replace(KEY, by=BY._replace(subject="user:u2")),
    "issuer split elsewhere": replace(KEY, by=Principal("https://a.exampleu", "ser:u1")),
    "key": replace(KEY, key="create-2"),
}
OUTCOME = a_secure_value(annotations={"a": "ж\n"}, decrypters=("x", "y"))
ONE = Fingerprint(bytes([1] * 32), bytes([11] * 32))
OTHER = Fingerprint(bytes([2] * 32), bytes([12] * 32))
DAY, NOW = timedelta(days=1), timedelta(0)


class IdempotencyContract:
    async def test_a_key_is_taken_once_and_then_tells_its_outcome(self, stores: Stores) -> None:
        first = await _create(stores)
        second = await _take(stores, OTHER)

        assert (first, second) == (None, _recorded(ONE, OUTCOME))
        assert await _find(stores) == _recorded(ONE, OUTCOME)

    @pytest.mark.parametrize("outcome", [OUTCOME, a_keeper()], ids=lambda o: o.kind)
    async def test_an_outcome_of_either_kind_is_told_as_it_was(
        self, stores: Stores, outcome: SecureValue | Keeper
    ) -> None:
        await _create(stores, outcome=outcome)

        assert await _find(stores) == _recorded(ONE, outcome)

    async def test_what_nobody_took_has_no_outcome(self, stores: Stores) -> None:
        assert await _find(stores) is None

    @pytest.mark.parametrize("key", OTHERS.values(), ids=OTHERS)
    async def test_another_namespace_caller_or_key_is_another(
        self, stores: Stores, key: IdempotencyKey
    ) -> None:
        await _create(stores)

        assert await _find(stores, key) is None
        assert await _create(stores, key=key) is None

    async def test_equal_subjects_of_two_issuers_each_have_the_key(
        self, stores: Stores
    ) -> None:
        theirs = replace(KEY, by=BY._replace(issuer="https://b.example"))
        second = replace(OUTCOME, name="second")

        await _create(stores)
        assert await _create(stores, key=theirs, outcome=second) is None

        for _ in range(2):
            assert await _create(stores) == _recorded(ONE, OUTCOME)
            told = await _create(stores, key=theirs)
            assert told is not None
            assert (told.outcome, told.issuer) == (second, "https://b.example")
            found = await _find(stores, theirs)
            assert found is not None
            assert found.outcome == second

    async def test_of_many_of_two_issuers_at_once_one_of_each_takes_the_key(
        self, stores: Stores
    ) -> None:
        theirs = replace(KEY, by=BY._replace(issuer="https://b.example"))
        keys = [KEY, theirs] * 4
        answers = await asyncio.gather(*(_create(stores, key=key) for key in keys))

        assert [answer is None for answer in answers].count(True) == 2

    async def test_a_key_stays_its_issuers_when_the_first_issuers_is_gone(
        self, stores: Stores
    ) -> None:
        theirs = replace(KEY, by=BY._replace(issuer="https://b.example"))
        await _create(stores)
        await _create(stores, key=theirs)
        # Oldest first: what is gone is the row of whoever had the key first.
        assert await _trim(stores, NOW, limit=1) == 1

        told = await _create(stores, key=theirs)

        assert told is not None
        assert told.issuer == "https://b.example"
        assert await _create(stores) is None

    async def test_the_longest_key_fits(self, stores: Stores) -> None:
        await _create(stores, key=LONGEST)

        issuer = LONGEST.by.issuer
        assert await _find(stores, LONGEST) == RecordedCreate(ONE, OUTCOME, issuer)

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
        assert told == [_recorded(ONE, OUTCOME)] * 7

    async def test_an_old_key_is_found_no_more_and_is_free(self, stores: Stores) -> None:
        await _create(stores)

        assert await _find(stores, younger_than=NOW) is None
        later = replace(OUTCOME, name="later")
        assert await _create(stores, OTHER, outcome=later, younger_than=NOW) is None
        assert await _find(stores) == _recorded(OTHER, later)

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


def _recorded(fingerprint: Fingerprint, outcome: SecureValue | Keeper) -> RecordedCreate:
    return RecordedCreate(fingerprint, outcome, KEY.by.issuer)


async def _create(
    stores: Stores,
    fingerprint: Fingerprint = ONE,
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


async def _take(stores: Stores, fingerprint: Fingerprint) -> RecordedCreate | None:
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
