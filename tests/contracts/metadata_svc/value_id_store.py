"""The suite of ports.ValueIdStore."""

from datetime import timedelta
from uuid import UUID

from metadata_svc.domain.value_id import ReleasedPlace, ValueKey, ValueRecord, ValueState
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores, key_of
from tests.fakes.metadata_svc.builders import a_secure_value

OUTCOME = a_secure_value(annotations={"a": "ж\n"}, decrypters=("x", "y"))
KEY = key_of(OUTCOME)
NOW = timedelta(0)


def key(number: int, namespace: str = "default") -> ValueKey:
    return ValueKey(namespace, UUID(int=number))


class ValueIdStoreContract:
    async def test_an_id_is_claimed_once(self, stores: Stores) -> None:
        first = await _claim(stores)
        second = await stores.transactions.run(lambda tx: tx.value_ids.claim(KEY))

        assert (first, second) == (None, ValueRecord(ValueState.CLAIMED, OUTCOME))

    async def test_a_refused_id_is_not_claimed(self, stores: Stores) -> None:
        states = await _refuse(stores, KEY)

        assert states == {KEY: ValueState.REFUSED}
        assert await _claim(stores) == ValueRecord(ValueState.REFUSED, None)

    async def test_a_claimed_id_is_not_refused(self, stores: Stores) -> None:
        await _claim(stores)

        assert await _refuse(stores, KEY) == {KEY: ValueState.CLAIMED}

    async def test_the_same_id_in_another_namespace_is_another(self, stores: Stores) -> None:
        await _refuse(stores, ValueKey("other", KEY.value_id))

        assert await _claim(stores) is None

    async def test_a_released_id_still_tells_its_outcome(self, stores: Stores) -> None:
        await _claim(stores)
        await _release(stores)

        assert await _claim(stores) == ValueRecord(ValueState.RELEASED, OUTCOME)
        assert await _refuse(stores, KEY) == {KEY: ValueState.RELEASED}

    async def test_an_acknowledged_id_is_erased_and_tells_its_outcome(
        self, stores: Stores
    ) -> None:
        await _claim(stores)
        await _release(stores)
        await _acknowledge(stores, KEY, key(7))

        assert await _claim(stores) == ValueRecord(ValueState.ERASED, OUTCOME)
        assert await _released(stores) == ()

    async def test_only_released_ids_are_acknowledged(self, stores: Stores) -> None:
        await _claim(stores)
        await _refuse(stores, key(1))
        await _acknowledge(stores, KEY, key(1), key(2))

        states = await _refuse(stores, KEY, key(1), key(2))
        assert states == {
            KEY: ValueState.CLAIMED,
            key(1): ValueState.REFUSED,
            key(2): ValueState.REFUSED,
        }

    async def test_only_claimed_ids_are_released(self, stores: Stores) -> None:
        await _refuse(stores, KEY)
        await _release(stores)

        assert await _refuse(stores, KEY) == {KEY: ValueState.REFUSED}
        assert await _released(stores) == ()

    async def test_releasing_twice_is_releasing_once(self, stores: Stores) -> None:
        await _claim(stores)
        await _release(stores)
        await _acknowledge(stores, KEY)
        await _release(stores)

        assert await _refuse(stores, KEY) == {KEY: ValueState.ERASED}

    async def test_an_id_released_just_now_has_no_age(self, stores: Stores) -> None:
        await _claim(stores)
        await _release(stores)

        assert await _released(stores, minimum_age=timedelta(hours=1)) == ()
        assert await _released(stores) == (KEY,)

    async def test_released_ids_page_by_namespace_then_id(self, stores: Stores) -> None:
        keys = [key(2, "b"), key(1, "b"), key(3, "a"), key(4, "B"), key(5, "a-b")]

        async def work(tx: Transaction) -> None:
            for each in keys:
                await tx.value_ids.claim(each)
                await tx.value_ids.record(each, OUTCOME)
                await tx.value_ids.release(each)

        await stores.transactions.run(work)
        first = await _released(stores, limit=3)
        second = await _released(stores, after=first[-1], limit=3)
        assert first + second == (
            key(4, "B"),
            key(3, "a"),
            key(5, "a-b"),
            key(1, "b"),
            key(2, "b"),
        )

    async def test_released_ids_page_by_the_time_of_their_release(self, stores: Stores) -> None:
        keys = [key(2, "b"), key(9, "a"), key(1, "b"), key(3, "a")]
        for each in keys:
            await _claim(stores, each)
            await _release(stores, each)

        async def page(place: ReleasedPlace | None) -> tuple[ReleasedPlace, ...]:
            return await stores.transactions.run(
                lambda tx: tx.value_ids.released_since(place=place, limit=3)
            )

        first = await page(None)
        second = await page(first[-1])
        assert await page(second[-1]) == ()
        places = [*first, *second]
        assert sorted(place.key for place in places) == sorted(keys)
        assert places == sorted(places)

    async def test_an_old_outcome_is_forgotten_and_its_id_stays_claimed(
        self, stores: Stores
    ) -> None:
        await _claim(stores)

        assert [await _forget(stores), await _forget(stores)] == [1, 0]
        assert await _claim(stores) == ValueRecord(ValueState.CLAIMED, None)
        assert await _refuse(stores, KEY) == {KEY: ValueState.CLAIMED}

    async def test_a_young_outcome_is_kept(self, stores: Stores) -> None:
        await _claim(stores)

        assert await _forget(stores, minimum_age=timedelta(hours=1)) == 0
        assert await _claim(stores) == ValueRecord(ValueState.CLAIMED, OUTCOME)

    async def test_outcomes_are_forgotten_a_few_at_a_time_oldest_first(
        self, stores: Stores
    ) -> None:
        keys = [key(3), key(1), key(2)]
        for each in keys:
            await _claim(stores, each)

        assert await _forget(stores, limit=2) == 2
        told = [await _claim(stores, each) for each in keys]
        assert [record and record.outcome for record in told] == [None, None, OUTCOME]
        assert [await _forget(stores, limit=2) for _ in range(2)] == [1, 0]

    async def test_an_id_without_its_outcome_goes_on_as_any_other(self, stores: Stores) -> None:
        await _claim(stores)
        await _forget(stores)
        await _release(stores)
        released = await _released(stores)
        await _acknowledge(stores, KEY)

        assert released == (KEY,)
        assert await _claim(stores) == ValueRecord(ValueState.ERASED, None)

    async def test_released_and_erased_ids_forget_and_refused_ones_have_nothing_to(
        self, stores: Stores
    ) -> None:
        for each in (KEY, key(1)):
            await _claim(stores, each)
            await _release(stores, each)
        await _acknowledge(stores, key(1))
        await _refuse(stores, key(2))

        assert await _forget(stores) == 2
        assert await _refuse(stores, KEY, key(1), key(2)) == {
            KEY: ValueState.RELEASED,
            key(1): ValueState.ERASED,
            key(2): ValueState.REFUSED,
        }

    async def test_refusing_nothing_answers_nothing(self, stores: Stores) -> None:
        assert await _refuse(stores) == {}


async def _claim(stores: Stores, value: ValueKey = KEY) -> ValueRecord | None:
    async def work(tx: Transaction) -> ValueRecord | None:
        recorded = await tx.value_ids.claim(value)
        if recorded is None:
            await tx.value_ids.record(value, OUTCOME)
        return recorded

    return await stores.transactions.run(work)


async def _release(stores: Stores, value: ValueKey = KEY) -> None:
    await stores.transactions.run(lambda tx: tx.value_ids.release(value))


async def _refuse(stores: Stores, *keys: ValueKey) -> dict[ValueKey, ValueState]:
    return await stores.transactions.run(lambda tx: tx.value_ids.refuse(keys))


async def _acknowledge(stores: Stores, *keys: ValueKey) -> None:
    await stores.transactions.run(lambda tx: tx.value_ids.acknowledge(keys))


async def _forget(stores: Stores, *, minimum_age: timedelta = NOW, limit: int = 10) -> int:
    return await stores.transactions.run(
        lambda tx: tx.value_ids.forget_outcomes(minimum_age=minimum_age, limit=limit)
    )


async def _released(
    stores: Stores,
    *,
    minimum_age: timedelta = NOW,
    after: ValueKey | None = None,
    limit: int = 10,
) -> tuple[ValueKey, ...]:
    return await stores.transactions.run(
        lambda tx: tx.value_ids.released(minimum_age=minimum_age, after=after, limit=limit)
    )
