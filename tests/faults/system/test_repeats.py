"""Creates under one idempotency key that meet at the narrowest places, on real databases."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from chassis.errors import UnavailableError
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.vault import a_write
from tests.faults.system.checker import violations
from tests.faults.system.installation import NAME, TEAM, Installation, create_once
from tests.faults.system.scenarios import Once
from tests.faults.system.test_mutants import patched
from tests.faults.system.wire import Deliver, LostError

GENERATED = a_write("", namespace=TEAM)
AT_ONCE = 16
LIVE = "SELECT name FROM secure_values"


async def race(installation: Installation, name: str) -> list[secure_value_pb2.SecureValue]:
    """The same create, sent at once to processes that have remembered nothing."""
    write = a_write(name, namespace=TEAM)
    vaults = [installation.vault() for _ in range(4)] * (AT_ONCE // 4)
    return await asyncio.gather(*(vault.create_once("k", write) for vault in vaults))


async def live(installation: Installation) -> int:
    return len(await installation.metadata_database.fetch(LIVE))


@pytest.mark.parametrize("name", [NAME, ""], ids=["named", "generated"])
async def test_of_16_equal_creates_at_once_one_happens_and_all_are_told(
    installation: Installation, name: str
) -> None:
    made = await race(installation, name)

    assert made == [made[0]] * AT_ONCE
    assert (await live(installation), made[0].version) == (1, 1)
    installation.clock.advance(1)
    await installation.sweep_twice()
    assert await violations(installation) == []


async def test_a_key_that_is_taken_twice_is_found_by_that_race(
    installation: Installation,
) -> None:
    """A planted fault: whoever comes second takes the key over."""
    take = patched(
        installation.queries.idempotency.take,
        "WHERE k.taken_at <= clock_timestamp() - $6::interval",
        "WHERE $6::interval IS NOT NULL",
    )
    faulty = replace(installation.queries.idempotency, take=take)
    installation.queries = replace(installation.queries, idempotency=faulty)

    made = await race(installation, "")

    assert await live(installation) > 1
    assert made != [made[0]] * AT_ONCE


@pytest.mark.parametrize("moment", ["before it happened", "after it happened"])
async def test_a_claim_that_was_lost_is_overtaken_by_the_repeat_and_told_the_same(
    installation: Installation, moment: str
) -> None:
    """The first process asks again only after the caller has sent it all to a second one."""
    overtaken: list[Any] = []

    async def lose(deliver: Deliver) -> Any:
        if moment == "after it happened":
            await deliver()
        overtaken.append(await create_once(installation.vault(), TEAM))
        raise LostError

    first = await create_once(installation.vault(script=Once("Claim", lose)), TEAM)

    assert overtaken == [first]
    installation.clock.advance(1)
    await installation.sweep_twice()
    assert await violations(installation) == []
    assert await installation.seen(TEAM) == (b"old", "first")


async def test_a_vault_that_is_killed_after_its_claim_leaves_one_version_and_no_orphan(
    installation: Installation,
) -> None:
    async def lose(deliver: Deliver) -> Any:
        await deliver()
        raise LostError

    async def lost_for_good(method: str, deliver: Deliver) -> Any:
        return await (lose(deliver) if method == "Claim" else deliver())

    killed = installation.vault(script=lost_for_good)
    killed.writes = replace(killed.writes, claim_pauses_seconds=())
    with pytest.raises(UnavailableError):
        await create_once(killed, TEAM)

    made = [await create_once(installation.vault(), TEAM) for _ in range(3)]

    assert made == [made[0]] * 3
    assert made[0].version == 1
    kept = await installation.vault_database.fetch("SELECT value_id FROM sealed_values")
    assert len(kept) == 1
    assert await violations(installation) == []


async def test_a_repeat_of_a_create_that_was_deleted_meanwhile_brings_nothing_back(
    installation: Installation,
) -> None:
    first = await create_once(installation.vault(), TEAM)
    await installation.metadata().delete(TEAM, NAME)

    assert await create_once(installation.vault(), TEAM) == first

    installation.clock.advance(1)
    await installation.sweep_twice()
    assert await violations(installation) == []
    assert (await installation.seen(TEAM))[1] is None


async def test_metadata_keeps_neither_the_value_nor_two_equal_fingerprints(
    installation: Installation,
) -> None:
    """Equal creates of one caller under two keys; the caller's subject rests as a digest."""
    vault = installation.vault()
    for key in ("k1", "k2"):
        await vault.create_once(key, GENERATED, b"correct horse battery staple")

    rows = await installation.metadata_database.fetch(
        "SELECT fingerprint, octet_length(subject_digest) AS size, outcome::text AS outcome "
        "FROM idempotency_keys"
    )
    assert len({row["fingerprint"] for row in rows}) == 2
    assert {(len(row["fingerprint"]), row["size"]) for row in rows} == {(32, 32)}
    assert not any("correct horse" in row["outcome"] for row in rows)


async def test_a_repeat_reads_by_key_alone_and_seals_nothing(
    installation: Installation,
) -> None:
    await create_once(installation.vault(), TEAM)
    asked: list[str] = []

    async def listening(method: str, deliver: Deliver) -> Any:
        asked.append(method)
        return await deliver()

    vault = installation.vault(script=listening)
    await create_once(vault, TEAM)

    assert asked == ["Prepare"]
    kept = await installation.vault_database.fetch("SELECT value_id FROM sealed_values")
    assert len(kept) == 1
