"""A commit on a primary whose synchronous standby does not answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest
import pytest_asyncio

from chassis import commits
from chassis.deadline import bound
from chassis.errors import NotFoundError, UnavailableError
from chassis.postgres import AmbiguousCommitError, Connection, Database
from chassis.sensitive import Sensitive
from tests.faults.proxy import faulty_proxy
from tests.faults.replication.nodes import Pair

pytestmark = pytest.mark.asyncio(loop_scope="module")

T = TypeVar("T")

STATEMENT_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
INSERT = "INSERT INTO numbers VALUES ($1)"
WAITING = "SELECT count(*) = {} FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
CANCEL = (
    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
)


@pytest_asyncio.fixture(loop_scope="module")
async def database(nodes: Pair) -> AsyncIterator[Database]:
    """An empty table on a primary; the standby is dead from now on, and back afterwards."""
    database = await Database.connect(
        nodes.dsn,
        application_name="tests",
        connections=4,
        statement_timeout_seconds=STATEMENT_SECONDS,
    )
    await acknowledged(lambda: database.write("DROP TABLE IF EXISTS numbers"))
    await nodes.administer("CREATE TABLE numbers (n integer PRIMARY KEY)")
    await nodes.kill_standby()
    yield database
    if not nodes.standby_runs:
        await nodes.start_standby()
    await database.close()


TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
)


async def insert(database: Database, number: int = 1) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute(INSERT, number)

    await database.transact(work)


async def insert_once(database: Database, number: int) -> None:
    await database.write(f"{INSERT} ON CONFLICT (n) DO NOTHING", number)


async def acknowledged(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns once the standby keeps up, which takes a while on a busy machine."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(AmbiguousCommitError):
                return await work()


async def numbers(database: Database) -> list[int]:
    return [row["n"] for row in await database.fetch("SELECT n FROM numbers ORDER BY n")]


async def test_a_commit_that_the_standby_does_not_have_is_ambiguous(database: Database) -> None:
    with pytest.raises(AmbiguousCommitError):
        await insert(database)


async def test_a_commit_is_counted_as_overdue_when_its_caller_is_answered(
    database: Database,
) -> None:
    """However late the task that carries it out gets its first turn."""

    async def work(connection: Connection) -> None:
        await connection.execute(INSERT, 1)
        asyncio.get_running_loop().call_soon(time.sleep, 0.05)

    with pytest.raises(AmbiguousCommitError):
        await database.transact(work)
    assert database.overdue_commits == 1


async def test_a_statement_that_writes_by_itself_is_ambiguous_as_well(
    database: Database,
) -> None:
    with pytest.raises(AmbiguousCommitError):
        await database.write(INSERT, 1)
    with pytest.raises(AmbiguousCommitError):
        await database.write_rows(f"{INSERT} RETURNING n", 2)


async def test_neither_a_deadline_nor_a_cancelled_caller_ends_the_wait(
    database: Database, nodes: Pair
) -> None:
    with bound(0.4), pytest.raises(AmbiguousCommitError):
        await insert(database, 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await insert(database, 2)

    await asyncio.sleep(2 * STATEMENT_SECONDS + 1)

    await nodes.until(WAITING.format(2))
    assert await numbers(database) == []
    await nodes.start_standby()
    await nodes.until(WAITING.format(0))
    assert await numbers(database) == [1, 2]


async def test_a_wait_that_somebody_else_cancels_is_ambiguous(
    database: Database, nodes: Pair
) -> None:
    inserting = asyncio.gather(
        insert(database, 1), database.write(INSERT, 2), return_exceptions=True
    )
    await nodes.until(WAITING.format(2))
    await nodes.ask(CANCEL)

    assert [type(outcome) for outcome in await inserting] == [AmbiguousCommitError] * 2
    assert await numbers(database) == [1, 2]  # on the primary alone


async def seen_on_the_primary_alone(database: Database, nodes: Pair) -> None:
    """The number 1 is there, and a fail-over would lose it."""
    inserting = asyncio.ensure_future(insert(database, 1))
    await nodes.until(WAITING.format(1))
    await nodes.ask(CANCEL)
    with pytest.raises(AmbiguousCommitError):
        await inserting


async def test_what_a_transaction_only_read_is_not_answered_before_the_standby_has_it(
    database: Database, nodes: Pair
) -> None:
    async def found(connection: Connection) -> object:
        return await connection.fetchval("SELECT n FROM numbers")

    await seen_on_the_primary_alone(database, nodes)

    with pytest.raises(AmbiguousCommitError):
        await database.transact(found)
    with pytest.raises(AmbiguousCommitError):
        await database.replicated()
    await nodes.start_standby()
    assert await acknowledged(lambda: database.transact(found)) == 1


async def test_nor_is_a_refusal_for_what_was_read(database: Database, nodes: Pair) -> None:
    async def refuse(connection: Connection) -> None:
        await connection.fetchval("SELECT n FROM numbers")
        raise NotFoundError

    await seen_on_the_primary_alone(database, nodes)

    with pytest.raises(AmbiguousCommitError):
        await database.transact(refuse)
    await nodes.start_standby()
    with pytest.raises(NotFoundError):
        await acknowledged(lambda: database.transact(refuse))


async def test_nor_is_that_a_statement_found_nothing_to_write(
    database: Database, nodes: Pair
) -> None:
    again = f"{INSERT} ON CONFLICT (n) DO NOTHING"
    await seen_on_the_primary_alone(database, nodes)

    with pytest.raises(AmbiguousCommitError):
        await database.write(again, 1)
    await nodes.start_standby()
    assert await acknowledged(lambda: database.write(again, 1)) == "INSERT 0 0"


async def test_reads_go_on_and_further_writes_fail_at_once(
    database: Database, nodes: Pair
) -> None:
    told = await asyncio.gather(
        *(insert(database, n) for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in told] == [AmbiguousCommitError] * 3

    began = time.monotonic()
    with pytest.raises(UnavailableError) as refused:
        await insert(database, 99)
    await asyncio.gather(*(numbers(database) for _ in range(10)))

    assert time.monotonic() - began < 1
    assert not isinstance(refused.value, AmbiguousCommitError)
    assert database.overdue_commits == 3
    await nodes.start_standby()
    await acknowledged(lambda: insert_once(database, 3))
    assert await numbers(database) == [0, 1, 2, 3]
    assert database.overdue_commits == 0


async def test_a_database_that_is_closed_leaves_its_commits_to_the_server(
    database: Database, nodes: Pair
) -> None:
    other = await Database.connect(
        nodes.dsn, application_name="other", statement_timeout_seconds=STATEMENT_SECONDS
    )
    inserting = asyncio.ensure_future(insert(other, 1))
    await nodes.until(WAITING.format(1))

    await other.close()

    with pytest.raises(AmbiguousCommitError):
        await inserting
    assert await nodes.ask(WAITING.format(1))
    assert await numbers(database) == []
    await nodes.start_standby()
    await nodes.until(WAITING.format(0))
    assert await numbers(database) == [1]


async def test_a_commit_whose_connection_went_silent_is_not_waited_for_for_ever(
    database: Database, nodes: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has ended it, and nothing of that reaches the client."""
    monkeypatch.setattr(commits, "CHECK_SECONDS", 2.0)  # after its caller is answered
    port = nodes.primary.settings.port
    async with faulty_proxy("127.0.0.1", port) as (proxy, entrance):
        both = f":{entrance},127.0.0.1:{port}/"
        silent = Sensitive(nodes.primary.admin_dsn.reveal().replace(f":{port}/", both))
        other = await Database.connect(
            silent, application_name="other", statement_timeout_seconds=STATEMENT_SECONDS
        )
        inserting = asyncio.ensure_future(insert(other, 1))
        await nodes.until(WAITING.format(1))
        proxy.stall()
        await nodes.ask(TERMINATE)
        with pytest.raises(AmbiguousCommitError):
            await inserting
        assert other.overdue_commits == 1

        async with asyncio.timeout(10):
            while other.overdue_commits:  # noqa: ASYNC110  # it may be any moment
                await asyncio.sleep(0.05)
        await nodes.start_standby()
        await acknowledged(lambda: insert_once(other, 2))
        await other.close()


async def test_a_fail_over_ends_the_waits_and_loses_nothing_that_was_acknowledged(
    database: Database, nodes: Pair
) -> None:
    await nodes.start_standby()
    await acknowledged(lambda: insert_once(database, 1))
    await nodes.stall_standby()
    inserting = asyncio.ensure_future(insert(database, 2))
    await nodes.until(WAITING.format(1))
    await nodes.fail_over()

    with pytest.raises(AmbiguousCommitError):
        await inserting
    await nodes.follow_anew()
    await acknowledged(lambda: insert_once(database, 3))

    assert {1, 3} <= set(await numbers(database))
