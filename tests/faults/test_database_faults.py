"""A Postgres that dies, falls silent and comes back, as the Database sees it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from chassis import deadline
from chassis.errors import UnavailableError
from chassis.postgres import AmbiguousCommitError, Connection, Database
from chassis.sensitive import Sensitive
from tests.faults.proxy import FaultyProxy, faulty_proxy
from tests.integration.chassis.databases import address, at_port, empty_database

STATEMENT_TIMEOUT_SECONDS = 0.5
PROMPTLY_SECONDS = 3.0


@dataclass(frozen=True)
class Faulty:
    """A database behind a proxy, and the way around the proxy."""

    database: Database
    proxy: FaultyProxy
    direct: Sensitive[str]


@pytest.fixture
async def faulty(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Faulty]:
    async with (
        empty_database(metadata_server_dsn) as dsn,
        faulty_proxy(*address(dsn)) as (proxy, port),
    ):
        database = await Database.connect(
            at_port(dsn, port),
            application_name="tests",
            connections=3,
            statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS,
        )
        await database.execute("CREATE TABLE numbers (n integer PRIMARY KEY)")
        yield Faulty(database, proxy, dsn)
        await database.close()


async def insert(connection: Connection) -> None:
    await connection.execute("INSERT INTO numbers VALUES (1)")


async def count(dsn: Sensitive[str]) -> int:
    connection = await asyncpg.connect(dsn.reveal())
    try:
        return int(await connection.fetchval("SELECT count(*) FROM numbers"))
    finally:
        await connection.close()


async def test_a_dead_server_is_unavailable_promptly(faulty: Faulty) -> None:
    faulty.proxy.cut()
    started = time.monotonic()

    for _ in range(10):
        with pytest.raises(UnavailableError):
            await faulty.database.healthy()

    assert time.monotonic() - started < PROMPTLY_SECONDS


async def test_a_server_that_comes_back_is_used_again(faulty: Faulty) -> None:
    faulty.proxy.cut()
    with pytest.raises(UnavailableError):
        await faulty.database.healthy()

    faulty.proxy.restore()

    await faulty.database.healthy()


async def test_a_silent_server_is_unavailable_within_the_statements_time(
    faulty: Faulty,
) -> None:
    faulty.proxy.stall()
    started = time.monotonic()

    with pytest.raises(UnavailableError):
        await faulty.database.healthy()

    assert time.monotonic() - started < PROMPTLY_SECONDS


async def test_a_silent_server_costs_no_more_than_the_requests_deadline(
    faulty: Faulty,
) -> None:
    faulty.proxy.stall()
    started = time.monotonic()

    with deadline.bound(0.2), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await faulty.database.healthy()

    assert time.monotonic() - started < STATEMENT_TIMEOUT_SECONDS


async def test_connections_that_fell_silent_are_replaced_together(faulty: Faulty) -> None:
    await asyncio.gather(*(faulty.database.fetch("SELECT pg_sleep(0.05)") for _ in range(3)))
    faulty.proxy.stall()
    with pytest.raises(UnavailableError):
        await faulty.database.healthy()
    accepted = faulty.proxy.accepted

    faulty.proxy.restore()
    await asyncio.gather(*(faulty.database.fetch("SELECT pg_sleep(0.05)") for _ in range(3)))

    assert faulty.proxy.accepted >= accepted + 3


async def test_a_transaction_cut_before_its_commit_has_not_happened(faulty: Faulty) -> None:
    async def work(connection: Connection) -> None:
        await insert(connection)
        faulty.proxy.cut()
        await connection.execute("SELECT 1")

    with pytest.raises(UnavailableError) as caught:
        await faulty.database.transact(work)

    assert not isinstance(caught.value, AmbiguousCommitError)
    assert await count(faulty.direct) == 0


async def test_a_commit_whose_answer_is_lost_is_ambiguous_and_not_repeated(
    faulty: Faulty,
) -> None:
    attempts = []

    async def work(connection: Connection) -> None:
        attempts.append(1)
        await insert(connection)
        faulty.proxy.stall()

    with pytest.raises(AmbiguousCommitError):
        await faulty.database.transact(work)

    assert len(attempts) == 1


async def test_after_an_ambiguous_commit_the_database_is_usable(faulty: Faulty) -> None:
    async def work(connection: Connection) -> None:
        await insert(connection)
        faulty.proxy.cut()

    with pytest.raises(AmbiguousCommitError):
        await faulty.database.transact(work)
    faulty.proxy.restore()

    assert len(await faulty.database.fetch("SELECT n FROM numbers")) in (0, 1)


async def test_cancelling_during_a_silence_gives_the_connection_back(faulty: Faulty) -> None:
    faulty.proxy.stall()
    for _ in range(6):
        with pytest.raises((TimeoutError, UnavailableError)):
            async with asyncio.timeout(0.1):
                await faulty.database.transact(insert)

    faulty.proxy.restore()
    async with asyncio.timeout(10):
        while True:
            try:
                await faulty.database.healthy()
            except UnavailableError:
                continue
            break
