"""What every SealedValueStore promises. Subclasses give `values` and `keys` of one vault."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from chassis.errors import ConflictError
from tests.contracts.vault_svc.builders import (
    LATER,
    START,
    a_sealed_value,
    a_value_key,
    an_active_key,
)
from vault_svc.domain.keyring import DataKeyState, StaleDataKeyError
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.values import (
    DueValue,
    Refusal,
    Scheduling,
    SealedValueStore,
    StoredRow,
    StoredValue,
    ValueKey,
)

PLENTY_BYTES = 1_000_000


class SealedValueStoreContract:
    async def test_a_value_is_read_as_it_was_inserted_with_its_data_key(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        data_key = await an_active_key(keys)
        key, sealed = a_value_key(), a_sealed_value(data_key.data_key_id)
        await values.insert(key, sealed, START)

        read = await values.read([key], maximum_bytes=PLENTY_BYTES)

        assert read.values == {key: StoredValue(sealed, data_key)}

    async def test_a_read_answers_only_what_is_there(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        key = await self.stored(values, keys)

        read = await values.read([a_value_key(), key], maximum_bytes=PLENTY_BYTES)

        assert set(read.values) == {key}

    async def test_nothing_asked_is_nothing_read(self, values: SealedValueStore) -> None:
        assert (await values.read([], maximum_bytes=PLENTY_BYTES)).values == {}

    async def test_an_id_reads_nothing_in_another_namespace(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        key = await self.stored(values, keys)

        read = await values.read([ValueKey("team-b", key.value_id)], maximum_bytes=PLENTY_BYTES)

        assert read.values == {}

    async def test_one_read_tells_the_values_of_several_namespaces_apart(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        mine = a_value_key("team-a")
        theirs = ValueKey("team-b", mine.value_id)
        stored = {}
        for key in (mine, theirs):
            data_key = await an_active_key(keys, key.namespace)
            sealed = a_sealed_value(data_key.data_key_id)
            await values.insert(key, sealed, START)
            stored[key] = StoredValue(sealed, data_key)

        both = await values.read([theirs, mine], maximum_bytes=PLENTY_BYTES)
        one = await values.read([theirs], maximum_bytes=PLENTY_BYTES)

        assert both.values == stored
        assert one.values == {theirs: stored[theirs]}

    async def test_values_that_are_too_large_together_are_not_read(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        stored = [a_value_key("team-a"), a_value_key("team-b")]
        for key in stored:
            data_key = await an_active_key(keys, key.namespace)
            sealed = a_sealed_value(data_key.data_key_id, size_bytes=3000)
            await values.insert(key, sealed, START)

        refused = await values.read(stored, maximum_bytes=5999)
        granted = await values.read(stored, maximum_bytes=6000)

        assert (refused.total_bytes, len(refused.values)) == (6000, 0)
        assert (granted.total_bytes, len(granted.values)) == (6000, 2)

    async def test_a_read_says_the_present_state_of_the_data_key(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        data_key = await an_active_key(keys)
        key = a_value_key()
        await values.insert(key, a_sealed_value(data_key.data_key_id), START)
        await keys.move("team-a", data_key.data_key_id, DataKeyState.DISABLED)

        read = await values.read([key], maximum_bytes=PLENTY_BYTES)

        assert read.values[key].data_key.state is DataKeyState.DISABLED

    async def test_an_id_is_inserted_once(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        data_key = await an_active_key(keys)
        key = a_value_key()
        await values.insert(key, a_sealed_value(data_key.data_key_id), START)

        with pytest.raises(ConflictError):
            await values.insert(key, a_sealed_value(data_key.data_key_id), START)

    async def test_nothing_is_inserted_under_a_key_that_is_not_there(
        self, values: SealedValueStore
    ) -> None:
        key = a_value_key()

        with pytest.raises(StaleDataKeyError):
            await values.insert(key, a_sealed_value(UUID(int=1)), START)

        assert not (await values.read([key], maximum_bytes=1)).values

    @pytest.mark.parametrize("state", [DataKeyState.RETIRED, DataKeyState.DISABLED])
    async def test_nothing_is_inserted_under_a_key_that_is_not_active(
        self, values: SealedValueStore, keys: DataKeyStore, state: DataKeyState
    ) -> None:
        data_key = await an_active_key(keys)
        await keys.move("team-a", data_key.data_key_id, state)

        with pytest.raises(StaleDataKeyError):
            await values.insert(a_value_key(), a_sealed_value(data_key.data_key_id), START)

    async def test_nothing_is_inserted_under_the_key_of_another_namespace(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        data_key = await an_active_key(keys, "team-b")

        with pytest.raises(StaleDataKeyError):
            await values.insert(a_value_key(), a_sealed_value(data_key.data_key_id), START)

    async def test_scheduling_tells_what_is_new_and_what_is_absent(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        first, second = await self.several(values, keys, 2)
        absent = a_value_key()

        once = await values.schedule([first, absent], heard_at=START, erase_at=LATER)
        again = await values.schedule([first, second], heard_at=LATER, erase_at=START)

        assert once == Scheduling(1, (absent,))
        assert again == Scheduling(1, ())
        due = await values.due(now=LATER, after=None, limit=10)
        assert due == (DueValue(START, second), DueValue(LATER, first))

    async def test_only_what_is_due_is_erased(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        due, later, unscheduled = await self.several(values, keys, 3)
        await values.schedule([due], heard_at=START, erase_at=START)
        await values.schedule([later], heard_at=START, erase_at=LATER)
        asked = [due, later, unscheduled, a_value_key()]

        erased = [await values.erase_due(asked, now=START) for _ in range(2)]

        assert erased == [(due,), ()]
        assert await self.all_keys(values) == {later, unscheduled}

    async def test_erasing_in_one_namespace_spares_the_same_id_in_another(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        key = await self.stored(values, keys)
        other = await an_active_key(keys, "team-b")
        twin = ValueKey("team-b", key.value_id)
        await values.insert(twin, a_sealed_value(other.data_key_id), START)
        await values.schedule([key, twin], heard_at=START, erase_at=START)

        await values.erase_due([key], now=START)

        assert await self.all_keys(values) == {twin}

    async def test_a_refused_value_is_scheduled_unless_it_is_known_to_be_claimed(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        refused, known, failed = await self.several(values, keys, 3)
        await values.mark_claimed([known], START)
        await values.mark_failed(failed, START)
        asked = [refused, known, failed, a_value_key()]

        refusals = [
            await values.schedule_refused(asked, erase_at=LATER, failed_erase_at=START)
            for _ in range(2)
        ]

        assert refusals == [Refusal(2, (known,)), Refusal(0, (known,))]
        due = await values.due(now=LATER, after=None, limit=10)
        assert due == (DueValue(START, failed), DueValue(LATER, refused))

    async def test_what_was_released_once_and_is_refused_now_is_kept(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        key = await self.stored(values, keys)
        await values.schedule([key], heard_at=START, erase_at=START)

        refusal = await values.schedule_refused([key], erase_at=START, failed_erase_at=START)

        assert refusal == Refusal(0, (key,))
        assert await values.erase_due([key], now=LATER) == ()

    async def test_a_claimed_value_has_no_time_of_erasure_and_no_failed_write(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        refused, released = await self.several(values, keys, 2)
        await values.mark_failed(refused, START)
        await values.schedule_refused([refused], erase_at=START, failed_erase_at=START)
        await values.schedule([released], heard_at=START, erase_at=START)

        await values.mark_claimed([refused, released], START)
        await values.mark_failed(refused, START)

        assert await values.due(now=LATER, after=None, limit=10) == ()
        assert await values.unclaimed(stored_before=LATER, after=None, limit=10) == ()

    async def test_what_is_scheduled_is_unclaimed_no_longer(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        refused, other = await self.several(values, keys, 2)

        await values.schedule_refused([refused], erase_at=LATER, failed_erase_at=LATER)

        unclaimed = await values.unclaimed(stored_before=LATER, after=None, limit=10)
        assert unclaimed == (other,)

    async def test_due_values_come_in_pages_oldest_first(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        stored = sorted(await self.several(values, keys, 5))
        for key, at in zip(stored, (LATER, START, LATER, START, START), strict=True):
            await values.schedule([key], heard_at=START, erase_at=at)

        pages: list[DueValue] = []
        for _ in range(3):
            after = pages[-1] if pages else None
            pages += await values.due(now=LATER, after=after, limit=2)

        assert [value.key for value in pages] == [stored[n] for n in (1, 3, 4, 0, 2)]
        assert len(await values.due(now=START, after=None, limit=10)) == 3

    async def test_scheduling_and_erasing_nothing_does_nothing(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        key = await self.stored(values, keys)

        assert await values.schedule([], heard_at=START, erase_at=START) == Scheduling(0, ())
        refusal = await values.schedule_refused([], erase_at=START, failed_erase_at=START)
        assert refusal == Refusal(0, ())
        assert await values.erase_due([], now=LATER) == ()
        assert await self.all_keys(values) == {key}

    async def test_a_claimed_value_is_unclaimed_no_longer(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        data_key = await an_active_key(keys)
        claimed, other = a_value_key(), a_value_key()
        for key in (claimed, other):
            await values.insert(key, a_sealed_value(data_key.data_key_id), START)

        await values.mark_claimed([claimed, a_value_key()], LATER)

        unclaimed = await values.unclaimed(stored_before=LATER, after=None, limit=10)
        assert unclaimed == (other,)
        assert await self.all_keys(values) == {claimed, other}

    async def test_a_young_value_is_on_no_page(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        await self.stored(values, keys)

        pages = [
            await values.unclaimed(stored_before=START, after=None, limit=10),
            await values.all_values(stored_before=START, after=None, limit=10),
        ]

        assert pages == [(), ()]

    @pytest.mark.parametrize("listing", ["unclaimed", "all_values"])
    async def test_pages_hold_every_value_once_in_order(
        self, values: SealedValueStore, keys: DataKeyStore, listing: str
    ) -> None:
        stored = []
        for namespace in ("team-a", "team-b"):
            data_key = await an_active_key(keys, namespace)
            for _ in range(3):
                key = a_value_key(namespace)
                await values.insert(key, a_sealed_value(data_key.data_key_id), START)
                stored.append(key)

        pages: list[ValueKey] = []
        for _ in range(4):
            after = pages[-1] if pages else None
            before = START + timedelta(seconds=1)
            page = getattr(values, listing)
            pages += await page(stored_before=before, after=after, limit=2)

        assert pages == sorted(stored)

    async def test_everything_is_read_in_pages_with_its_data_key(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        stored = {}
        for namespace in ("team-b", "team-a"):
            data_key = await an_active_key(keys, namespace)
            for size_bytes in (100, 200):
                key = a_value_key(namespace)
                sealed = a_sealed_value(data_key.data_key_id, size_bytes=size_bytes)
                await values.insert(key, sealed, START)
                stored[key] = StoredRow(
                    key, sealed, size_bytes, awaits_erasure=False, data_key=data_key
                )
        scheduled = min(stored)
        await values.schedule([scheduled], heard_at=START, erase_at=LATER)
        stored[scheduled] = replace(stored[scheduled], awaits_erasure=True)

        first = await values.everything(after=None, limit=3, maximum_bytes=1000)
        rest = await values.everything(after=first[-1].key, limit=3, maximum_bytes=1000)

        assert [*first, *rest] == [stored[key] for key in sorted(stored)]

    async def test_a_seal_that_is_too_large_is_not_read_and_its_size_is_told(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        data_key = await an_active_key(keys)
        sealed = a_sealed_value(data_key.data_key_id, size_bytes=3000)
        await values.insert(a_value_key(), sealed, START)

        (row,) = await values.everything(after=None, limit=3, maximum_bytes=2999)

        assert (row.size_bytes, row.sealed.sealed_value) == (3000, b"")

    async def test_whoever_retires_the_key_meanwhile_nothing_lies_under_it_unseen(
        self, values: SealedValueStore, keys: DataKeyStore
    ) -> None:
        data_key = await an_active_key(keys)
        inserts = [
            values.insert(a_value_key(), a_sealed_value(data_key.data_key_id), START)
            for _ in range(8)
        ]
        retire = keys.move("team-a", data_key.data_key_id, DataKeyState.RETIRED)

        outcomes = await asyncio.gather(*inserts, retire, return_exceptions=True)

        stale = [outcome for outcome in outcomes if isinstance(outcome, StaleDataKeyError)]
        assert len(await self.all_keys(values)) == len(inserts) - len(stale)
        assert outcomes[-1] is None

    async def stored(self, values: SealedValueStore, keys: DataKeyStore) -> ValueKey:
        data_key = await an_active_key(keys)
        key = a_value_key()
        await values.insert(key, a_sealed_value(data_key.data_key_id), START)
        return key

    async def several(
        self, values: SealedValueStore, keys: DataKeyStore, count: int
    ) -> list[ValueKey]:
        data_key = await an_active_key(keys)
        stored = [a_value_key() for _ in range(count)]
        for key in stored:
            await values.insert(key, a_sealed_value(data_key.data_key_id), START)
        return stored

    async def all_keys(self, values: SealedValueStore) -> set[ValueKey]:
        return set(await values.all_values(stored_before=LATER, after=None, limit=100))
