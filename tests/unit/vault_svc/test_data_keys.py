"""Which data key seals now, when a new one is made, and what is remembered of them."""

import asyncio
import secrets
from dataclasses import replace

import pytest

from chassis.errors import UnavailableError
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.vault import Vault
from vault_svc.domain.keyring import DataKeyState, ReplacementRule
from vault_svc.ports.keks import KekError, Keks
from vault_svc.use_cases.data_keys import DataKeys
from vault_svc.use_cases.kek_check import check_keks
from vault_svc.use_cases.unwrapped_keys import CacheBounds

FEW_WRAPS = ReplacementRule(maximum_age_seconds=100, maximum_wraps=8, wraps_per_reservation=4)


async def test_the_first_key_of_a_namespace_is_committed_before_it_is_handed_out() -> None:
    vault = Vault()

    key = await vault.data_keys.ready("team-a")

    record = await vault.key_store.read("team-a", key.data_key_id)
    assert (record.key.state, record.wraps_reserved) == (DataKeyState.ACTIVE, 1024)


async def test_a_namespace_keeps_its_key() -> None:
    vault = Vault()

    keys = {(await vault.data_keys.ready("team-a")).data_key_id for _ in range(10)}

    assert len(keys) == 1
    assert vault.kek.wraps == 1


async def test_each_wrap_is_counted_before_it_is_used() -> None:
    vault = Vault(rule=FEW_WRAPS)

    keys = [(await vault.data_keys.ready("team-a")).data_key_id for _ in range(17)]

    records = [await vault.key_store.read("team-a", one) for one in dict.fromkeys(keys)]
    assert [keys.count(record.key.data_key_id) for record in records] == [8, 8, 1]
    assert [record.wraps_reserved for record in records] == [8, 8, 4]
    assert [record.key.state for record in records] == [
        DataKeyState.RETIRED,
        DataKeyState.RETIRED,
        DataKeyState.ACTIVE,
    ]


async def test_a_process_that_starts_again_counts_its_block_as_used() -> None:
    first = Vault(rule=FEW_WRAPS)
    await first.data_keys.ready("team-a")

    second = Vault(rows=first.rows, rule=FEW_WRAPS, kek=first.kek)
    key = await second.data_keys.ready("team-a")

    record = await second.key_store.read("team-a", key.data_key_id)
    assert record.wraps_reserved == 8


async def test_an_old_key_is_replaced() -> None:
    vault = Vault(rule=FEW_WRAPS, bounds=CacheBounds(lifetime_seconds=10))
    old = await vault.data_keys.ready("team-a")
    vault.clock.advance(101)

    new = await vault.data_keys.ready("team-a")

    assert new.data_key_id != old.data_key_id
    retired = await vault.key_store.read("team-a", old.data_key_id)
    assert retired.key.state is DataKeyState.RETIRED


async def test_many_first_writers_of_one_process_make_one_key() -> None:
    vault = Vault()

    keys = await asyncio.gather(*(vault.data_keys.ready("team-a") for _ in range(50)))

    assert len({key.data_key_id for key in keys}) == 1
    assert vault.kek.wraps == 1


async def test_many_writers_never_share_a_wrap() -> None:
    vault = Vault(rule=FEW_WRAPS)

    keys = await asyncio.gather(*(vault.data_keys.ready("team-a") for _ in range(20)))

    used = [key.data_key_id for key in keys]
    assert max(used.count(one) for one in set(used)) <= 8


async def test_two_replicas_that_race_for_the_first_key_use_the_same_one() -> None:
    one = Vault()
    other = Vault(rows=one.rows, kek=one.kek)

    keys = await asyncio.gather(one.data_keys.ready("team-a"), other.data_keys.ready("team-a"))

    assert keys[0].data_key_id == keys[1].data_key_id
    assert len(one.rows.keys) == 1


async def test_a_slow_kek_holds_up_its_own_namespace_alone() -> None:
    vault = Vault()
    vault.kek.stalled["team-a"] = asyncio.Event()
    slow = asyncio.create_task(vault.data_keys.ready("team-a"))

    await vault.data_keys.ready("team-b")

    assert not slow.done()
    vault.kek.stalled["team-a"].set()
    await slow


async def test_whoever_gives_up_waiting_does_not_stop_the_others() -> None:
    vault = Vault()
    vault.kek.stalled["team-a"] = asyncio.Event()
    first = asyncio.create_task(vault.data_keys.ready("team-a"))
    second = asyncio.create_task(vault.data_keys.ready("team-a"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)

    vault.kek.stalled["team-a"].set()

    assert (await second).namespace == "team-a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_without_its_kek_no_key_is_ready_until_it_is_back() -> None:
    vault = Vault()
    vault.kek.off = True

    with pytest.raises(UnavailableError):
        await vault.data_keys.ready("team-a")

    assert vault.rows.keys == {}
    vault.kek.off = False
    await vault.data_keys.ready("team-a")


async def test_an_active_key_that_does_not_unwrap_seals_nothing() -> None:
    first = Vault()
    await first.data_keys.ready("team-a")
    second = Vault(rows=first.rows, kek=SwitchedKek(a_kek()))

    with pytest.raises(UnavailableError):
        await second.data_keys.ready("team-a")


async def test_a_key_is_unwrapped_once_while_it_is_remembered() -> None:
    vault = Vault(bounds=CacheBounds(lifetime_seconds=10))
    key = await vault.data_keys.ready("team-a")
    wrapped = (await vault.key_store.read("team-a", key.data_key_id)).key
    before = vault.kek.unwraps

    await vault.data_keys.unwrapped(wrapped)
    assert vault.kek.unwraps == before

    vault.clock.advance(10)
    await vault.data_keys.unwrapped(wrapped)
    assert vault.kek.unwraps == before + 1


async def test_what_is_remembered_is_bounded() -> None:
    vault = Vault(bounds=CacheBounds(limit=3))
    for number in range(10):
        await vault.data_keys.ready(f"team-{number}")

    assert len(vault.data_keys._unwrapped._recent) == 3
    assert len(vault.data_keys._sealing) == 3


async def test_what_is_remembered_does_not_hide_a_changed_row() -> None:
    vault = Vault()
    key = await vault.data_keys.ready("team-a")
    record = await vault.key_store.read("team-a", key.data_key_id)
    damaged = bytearray(record.key.wrapped_key)
    damaged[20] ^= 1

    with pytest.raises(KekError):
        await vault.data_keys.unwrapped(
            type(record.key)(
                namespace=record.key.namespace,
                data_key_id=record.key.data_key_id,
                kek_id=record.key.kek_id,
                state=record.key.state,
                wrapped_key=bytes(damaged),
            )
        )


async def test_an_older_kek_still_unwraps_what_it_wrapped() -> None:
    first = Vault()
    key = await first.data_keys.ready("team-a")
    wrapped = (await first.key_store.read("team-a", key.data_key_id)).key
    newer = DataKeys(
        store=first.key_store,
        keks=Keks(a_kek("kek-2"), (first.kek,)),
        clock=first.clock,
        random=secrets.token_bytes,
        rule=first.rule,
        bounds=first.bounds,
    )

    assert (await newer.unwrapped(wrapped)).data_key_id == key.data_key_id


async def test_the_check_finds_nothing_wrong_with_the_right_keks() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")

    assert (await check_keks(vault.key_store, Keks(vault.kek))).problems == ()


async def test_the_check_finds_a_kek_that_is_not_there() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")

    (problem,) = (await check_keks(vault.key_store, Keks(a_kek("kek-2")))).problems

    assert problem.startswith("KEK kek-1: ")
    assert "not configured" in problem


async def test_the_check_finds_a_kek_that_does_not_unwrap() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")

    (problem,) = (await check_keks(vault.key_store, Keks(a_kek("kek-1")))).problems

    assert "does not unwrap" in problem


async def test_one_damaged_data_key_does_not_speak_against_its_kek() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")
    key = await vault.data_keys.ready("team-b")
    record = await vault.key_store.read("team-b", key.data_key_id)
    *kept, last = record.key.wrapped_key
    damaged = replace(record.key, wrapped_key=bytes((*kept, last ^ 1)))
    vault.rows.put_key(replace(record, key=damaged))

    assert (await check_keks(vault.key_store, Keks(vault.kek))).problems == ()
    with pytest.raises(KekError):
        await vault.data_keys.unwrapped(damaged)
