"""Which fingerprint key a namespace has, when it is made, and what is remembered of it."""

import asyncio
from dataclasses import replace

import pytest

from chassis.errors import UnavailableError
from tests.fakes.vault_svc.keks import a_kek
from tests.fakes.vault_svc.vault import Vault
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.keyring import DataKeyState
from vault_svc.ports.keks import KekError, Keks
from vault_svc.use_cases.kek_check import check_keks
from vault_svc.use_cases.unwrapped_keys import CacheBounds


async def test_at_first_a_namespace_has_none() -> None:
    assert await Vault().fingerprint_keys.current("team-a") is None


async def test_it_is_committed_before_it_is_handed_out_and_kept() -> None:
    vault = Vault()

    made = [(await vault.fingerprint_keys.ready("team-a")).key_id for _ in range(5)]

    record = await vault.key_store.read("team-a", made[0])
    assert (record.key.purpose, record.key.state) == (
        KeyPurpose.FINGERPRINT,
        DataKeyState.RETIRED,
    )
    assert (len(set(made)), vault.kek.wraps) == (1, 1)


async def test_it_does_not_age() -> None:
    vault = Vault()
    first = await vault.fingerprint_keys.ready("team-a")
    vault.clock.advance(10 * vault.rule.maximum_age_seconds)

    assert (await vault.fingerprint_keys.ready("team-a")).key_id == first.key_id


async def test_two_replicas_that_race_for_the_first_one_use_the_same() -> None:
    one = Vault()
    other = Vault(rows=one.rows, kek=one.kek)

    keys = await asyncio.gather(
        *(vault.fingerprint_keys.ready("team-a") for vault in (one, other, one, other))
    )

    assert len({key.key.reveal() for key in keys}) == 1
    assert len(one.rows.keys) == 1


async def test_each_namespace_has_its_own() -> None:
    vault = Vault()

    keys = [await vault.fingerprint_keys.ready(namespace) for namespace in ("a", "b")]

    assert keys[0].key.reveal() != keys[1].key.reveal()


async def test_sealing_and_fingerprinting_use_two_keys() -> None:
    vault = Vault()
    await vault.create("a")
    await vault.fingerprint_keys.ready("team-a")

    purposes = sorted(record.key.purpose for record in vault.rows.keys.values())
    assert purposes == [KeyPurpose.FINGERPRINT, KeyPurpose.SEAL]


async def test_it_is_unwrapped_once_in_a_while() -> None:
    vault = Vault(bounds=CacheBounds(lifetime_seconds=10))
    for _ in range(3):
        await vault.fingerprint_keys.ready("team-a")
    assert vault.kek.unwraps == 1

    vault.clock.advance(10)
    await vault.fingerprint_keys.ready("team-a")
    assert vault.kek.unwraps == 2


async def test_what_is_remembered_is_bounded() -> None:
    vault = Vault(bounds=CacheBounds(limit=3))
    for number in range(10):
        await vault.fingerprint_keys.ready(f"team-{number}")

    assert len(vault.fingerprint_keys._unwrapped._recent) == 3


async def test_disabling_one_works_at_once_though_it_is_remembered() -> None:
    vault = Vault()
    key = await vault.fingerprint_keys.ready("team-a")

    await vault.key_store.move("team-a", key.key_id, DataKeyState.DISABLED)

    assert await vault.fingerprint_keys.current("team-a") is None
    assert (await vault.fingerprint_keys.ready("team-a")).key_id != key.key_id


@pytest.mark.parametrize("whose", ["another namespace's", "a sealing one"])
async def test_one_that_was_put_in_anothers_place_does_not_unwrap(whose: str) -> None:
    vault = Vault()
    mine = await vault.fingerprint_keys.ready("team-a")
    theirs = await vault.fingerprint_keys.ready("team-b")
    sealing = await vault.data_keys.ready("team-a")
    source = ("team-b", theirs.key_id)
    if whose == "a sealing one":
        source = ("team-a", sealing.data_key_id)
    stolen = (await vault.key_store.read(*source)).key.wrapped_key
    record = await vault.key_store.read("team-a", mine.key_id)
    vault.rows.put_key(replace(record, key=replace(record.key, wrapped_key=stolen)))

    with pytest.raises(UnavailableError):
        await vault.fingerprint_keys.current("team-a")


async def test_one_never_seals_and_a_data_key_never_fingerprints() -> None:
    vault = Vault()
    fingerprint = await vault.fingerprint_keys.ready("team-a")
    sealing = await vault.data_keys.ready("team-a")
    wrapped = [
        (await vault.key_store.read("team-a", key_id)).key
        for key_id in (fingerprint.key_id, sealing.data_key_id)
    ]

    with pytest.raises(KekError):
        await vault.data_keys.unwrapped(wrapped[0])
    with pytest.raises(KekError):
        await vault.fingerprint_keys._unwrapped.get(wrapped[1])


async def test_a_kek_that_is_not_there_stops_creates_under_a_key_and_no_others() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")
    vault.kek.off = True

    with pytest.raises(UnavailableError):
        await vault.fingerprint_keys.ready("team-a")
    await vault.create("a")


async def test_the_check_at_the_start_unwraps_fingerprint_keys_too() -> None:
    vault = Vault()
    await vault.fingerprint_keys.ready("team-a")

    assert (await check_keks(vault.key_store, Keks(vault.kek))).problems == ()
    (problem,) = (await check_keks(vault.key_store, Keks(a_kek(vault.kek.kek_id)))).problems
    assert "does not unwrap" in problem
