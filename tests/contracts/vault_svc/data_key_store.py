"""What every DataKeyStore promises. Subclasses give `values` and `keys` over the same rows."""

import asyncio
from uuid import UUID

import pytest

from chassis.errors import FailedPreconditionError, NotFoundError
from tests.contracts.vault_svc.builders import (
    LATER,
    RULE,
    START,
    WHEN_TOO_OLD,
    a_data_key,
    a_sealed_value,
    a_value_key,
    an_active_key,
)
from vault_svc.domain.keyring import DataKeyState
from vault_svc.ports.data_keys import DataKeyStore, KekUsage
from vault_svc.ports.values import SealedValueStore


class DataKeyStoreContract:
    async def test_without_an_active_key_nothing_is_reserved(self, keys: DataKeyStore) -> None:
        assert await keys.reserve_wraps("team-a", RULE, START) is None

    async def test_wraps_are_reserved_of_the_active_key_and_counted(
        self, keys: DataKeyStore
    ) -> None:
        key = await an_active_key(keys)

        reserved = await keys.reserve_wraps("team-a", RULE, LATER)

        record = await keys.read("team-a", key.data_key_id)
        assert reserved == key
        assert (record.key, record.created_at, record.wraps_reserved) == (key, START, 4)

    async def test_a_key_without_room_for_another_block_is_not_reserved(
        self, keys: DataKeyStore
    ) -> None:
        key = await an_active_key(keys)

        reserved = [await keys.reserve_wraps("team-a", RULE, LATER) for _ in range(3)]

        assert reserved == [key, key, None]
        assert (await keys.read("team-a", key.data_key_id)).wraps_reserved == 8

    async def test_a_key_that_is_too_old_is_not_reserved(self, keys: DataKeyStore) -> None:
        await an_active_key(keys)

        assert await keys.reserve_wraps("team-a", RULE, WHEN_TOO_OLD) is None

    async def test_a_fresh_active_key_is_not_replaced(self, keys: DataKeyStore) -> None:
        key = await an_active_key(keys)
        second = a_data_key()

        assert not await keys.activate(second, RULE, LATER)

        assert await keys.reserve_wraps("team-a", RULE, LATER) == key
        with pytest.raises(NotFoundError):
            await keys.read("team-a", second.data_key_id)

    async def test_a_key_that_is_too_old_is_retired_for_the_new_one(
        self, keys: DataKeyStore
    ) -> None:
        old, new = await an_active_key(keys), a_data_key()

        assert await keys.activate(new, RULE, WHEN_TOO_OLD)

        retired = await keys.read("team-a", old.data_key_id)
        assert retired.key.state is DataKeyState.RETIRED
        assert await keys.reserve_wraps("team-a", RULE, WHEN_TOO_OLD) == new

    async def test_a_key_without_room_is_retired_for_the_new_one(
        self, keys: DataKeyStore
    ) -> None:
        old, new = await an_active_key(keys), a_data_key()
        for _ in range(2):
            await keys.reserve_wraps("team-a", RULE, LATER)

        assert await keys.activate(new, RULE, LATER)

        retired = await keys.read("team-a", old.data_key_id)
        assert retired.key.state is DataKeyState.RETIRED

    async def test_each_namespace_has_a_key_of_its_own(self, keys: DataKeyStore) -> None:
        first, second = await an_active_key(keys), await an_active_key(keys, "team-b")

        reserved = [
            await keys.reserve_wraps(namespace, RULE, LATER)
            for namespace in ("team-a", "team-b")
        ]

        assert reserved == [first, second]

    async def test_of_many_that_activate_at_once_one_wins(self, keys: DataKeyStore) -> None:
        wanted = [a_data_key() for _ in range(6)]

        won = await asyncio.gather(*(keys.activate(key, RULE, START) for key in wanted))

        winner = await keys.reserve_wraps("team-a", RULE, LATER)
        assert sorted(won) == [False] * 5 + [True]
        assert winner == wanted[won.index(True)]

    async def test_of_many_that_replace_at_once_one_wins(self, keys: DataKeyStore) -> None:
        await an_active_key(keys)
        wanted = [a_data_key() for _ in range(6)]

        won = await asyncio.gather(*(keys.activate(key, RULE, WHEN_TOO_OLD) for key in wanted))

        assert sorted(won) == [False] * 5 + [True]

    async def test_no_wrap_is_reserved_twice(self, keys: DataKeyStore) -> None:
        key = await an_active_key(keys)

        reserved = await asyncio.gather(
            *(keys.reserve_wraps("team-a", RULE, LATER) for _ in range(5))
        )

        assert len([one for one in reserved if one]) == 2
        assert (await keys.read("team-a", key.data_key_id)).wraps_reserved == 8

    async def test_a_disabled_key_leaves_its_place_and_does_not_get_it_back(
        self, keys: DataKeyStore
    ) -> None:
        key = await an_active_key(keys)
        await keys.move("team-a", key.data_key_id, DataKeyState.DISABLED)

        assert await keys.reserve_wraps("team-a", RULE, LATER) is None

        await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)
        assert await keys.reserve_wraps("team-a", RULE, LATER) is None

    async def test_a_key_does_not_become_active_again(self, keys: DataKeyStore) -> None:
        key = await an_active_key(keys)
        await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)

        with pytest.raises(FailedPreconditionError):
            await keys.move("team-a", key.data_key_id, DataKeyState.ACTIVE)

    async def test_an_active_key_is_not_destroyed(self, keys: DataKeyStore) -> None:
        key = await an_active_key(keys)

        with pytest.raises(FailedPreconditionError):
            await keys.destroy("team-a", key.data_key_id)

        assert (await keys.read("team-a", key.data_key_id)).key == key

    async def test_a_key_that_values_lie_under_is_not_destroyed(
        self, keys: DataKeyStore, values: SealedValueStore
    ) -> None:
        key = await an_active_key(keys)
        await values.insert(a_value_key(), a_sealed_value(key.data_key_id), START)
        await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)

        with pytest.raises(FailedPreconditionError):
            await keys.destroy("team-a", key.data_key_id)

        kept = (await keys.read("team-a", key.data_key_id)).key
        assert kept.wrapped_key == key.wrapped_key

    async def test_a_destroyed_key_has_no_bytes_and_stays_destroyed(
        self, keys: DataKeyStore, values: SealedValueStore
    ) -> None:
        key = await an_active_key(keys)
        value = a_value_key()
        await values.insert(value, a_sealed_value(key.data_key_id), START)
        await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)
        await values.schedule([value], heard_at=START, erase_at=START)
        await values.erase_due([value], now=START)

        await keys.destroy("team-a", key.data_key_id)

        gone = (await keys.read("team-a", key.data_key_id)).key
        assert (gone.state, gone.wrapped_key) == (DataKeyState.DESTROYED, b"")
        with pytest.raises(FailedPreconditionError):
            await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)

    async def test_what_is_not_there_is_not_found(self, keys: DataKeyStore) -> None:
        absent = UUID(int=7)

        with pytest.raises(NotFoundError):
            await keys.read("team-a", absent)
        with pytest.raises(NotFoundError):
            await keys.move("team-a", absent, DataKeyState.RETIRED)
        with pytest.raises(NotFoundError):
            await keys.destroy("team-a", absent)

    async def test_samples_are_some_keys_of_every_kek(self, keys: DataKeyStore) -> None:
        for number, kek_id in enumerate(["kek-1", "kek-1", "kek-1", "kek-2", "kek-3"]):
            await an_active_key(keys, f"team-{number}", kek_id)

        samples = await keys.samples_per_kek(2)

        assert sorted(key.kek_id for key in samples) == ["kek-1", "kek-1", "kek-2", "kek-3"]

    async def test_a_destroyed_key_is_no_sample(self, keys: DataKeyStore) -> None:
        key = await an_active_key(keys)
        await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)
        await keys.destroy("team-a", key.data_key_id)

        assert await keys.samples_per_kek(10) == ()

    async def test_what_lies_under_a_kek_is_counted(self, keys: DataKeyStore) -> None:
        for namespace, kek_id in (("a", "kek-1"), ("b", "kek-1"), ("c", "kek-2")):
            await keys.activate(a_data_key(namespace, kek_id), RULE, START)
        retired = await an_active_key(keys, "d")
        await keys.move("d", retired.data_key_id, DataKeyState.RETIRED)
        await keys.activate(a_data_key("d", retired.kek_id), RULE, START)

        usage = await keys.kek_usage(["kek-1", "kek-9"])

        assert usage == {"kek-1": KekUsage(4, 3)}
