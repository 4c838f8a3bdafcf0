"""The Database on a real Postgres."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from chassis.config import StartHinderedError, StartRefusedError
from chassis.connections import ConnectionSettings, HeldConnections
from chassis.errors import UnavailableError
from chassis.postgres import AmbiguousCommitError, Connection, Database, LostTransactionError
from chassis.sensitive import Sensitive
from tests.integration.chassis.databases import with_password


@pytest.fixture
async def database(empty_dsn: Sensitive[str]) -> AsyncIterator[Database]:
    database = await Database.connect(empty_dsn, application_name="tests", connections=4)
    await database.execute("CREATE TABLE numbers (n integer PRIMARY KEY, name text)")
    yield database
    await database.close()


async def numbers(database: Database) -> list[int]:
    return [row["n"] for row in await database.fetch("SELECT n FROM numbers ORDER BY n")]


async def test_what_a_transaction_did_is_there_afterwards(database: Database) -> None:
    async def work(connection: Connection) -> str:
        await connection.execute("INSERT INTO numbers VALUES (1)")
        return "done"

    assert await database.transact(work) == "done"
    assert await numbers(database) == [1]


async def test_nothing_of_a_failed_transaction_is_there(database: Database) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO numbers VALUES (1)")
        raise KeyError("the work's own")

    with pytest.raises(KeyError):
        await database.transact(work)

    assert await numbers(database) == []


async def test_a_constraint_stays_the_drivers_exception(database: Database) -> None:
    await database.execute("INSERT INTO numbers VALUES (1)")

    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("INSERT INTO numbers VALUES (1)")


async def test_work_that_goes_on_after_a_failed_statement_is_told(database: Database) -> None:
    await database.execute("INSERT INTO numbers VALUES (1)")

    async def work(connection: Connection) -> None:
        try:
            await connection.execute("INSERT INTO numbers VALUES (1)")
        except asyncpg.UniqueViolationError:
            return

    with pytest.raises(LostTransactionError):
        await database.transact(work)


async def test_the_connection_of_a_failed_transaction_is_usable_again(
    database: Database,
) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO numbers VALUES (1)")
        raise KeyError("the work's own")

    for _ in range(20):
        with pytest.raises(KeyError):
            await database.transact(work)

    assert await numbers(database) == []


async def test_connections_are_held(database: Database) -> None:
    pids = {
        row["pid"]
        for _ in range(10)
        for row in await database.fetch("SELECT pg_backend_pid() AS pid")
    }

    assert len(pids) == 1


async def test_no_statement_is_sent_when_a_connection_is_given_back(database: Database) -> None:
    await database.fetch("SELECT 1")
    (row,) = await database.fetch(
        "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    )

    assert row["query"].startswith("SELECT query")


async def test_a_deadlock_is_resolved_by_doing_the_work_again(database: Database) -> None:
    await database.execute("INSERT INTO numbers VALUES (1, ''), (2, '')")
    both_hold_one = asyncio.Barrier(2)
    attempts = []

    async def update(connection: Connection, first: int, second: int) -> None:
        attempts.append(first)
        await connection.execute("UPDATE numbers SET name = name || 'x' WHERE n = $1", first)
        if len(attempts) <= 2:
            await both_hold_one.wait()
        await connection.execute("UPDATE numbers SET name = name || 'x' WHERE n = $1", second)

    await asyncio.gather(
        database.transact(lambda connection: update(connection, 1, 2)),
        database.transact(lambda connection: update(connection, 2, 1)),
    )

    names = [row["name"] for row in await database.fetch("SELECT name FROM numbers")]
    assert names == ["xx", "xx"]
    assert len(attempts) >= 3  # on a busy machine the second try may meet the other one again


async def test_work_that_never_serialises_is_given_up_after_four_tries(
    database: Database,
) -> None:
    attempts = []

    async def work(_connection: Connection) -> None:
        attempts.append(1)
        raise asyncpg.SerializationError("could not serialize")

    with pytest.raises(UnavailableError):
        await database.transact(work)

    assert len(attempts) == 4


async def test_statements_run_in_read_committed_in_utc_on_a_primary(database: Database) -> None:
    row = await database.fetchrow(
        "SELECT current_setting('transaction_isolation') AS isolation,"
        " current_setting('TimeZone') AS zone, pg_is_in_recovery() AS standby,"
        " current_setting('application_name') AS application"
    )

    assert dict(row or {}) == {
        "isolation": "read committed",
        "zone": "UTC",
        "standby": False,
        "application": "tests",
    }


async def test_a_statement_beyond_its_time_is_unavailable(empty_dsn: Sensitive[str]) -> None:
    database = await Database.connect(
        empty_dsn, application_name="tests", statement_timeout_seconds=0.2
    )

    with pytest.raises(UnavailableError):
        await database.fetch("SELECT pg_sleep(5)")

    await database.healthy()
    await database.close()


async def test_a_cancelled_statement_leaves_the_connection_usable(database: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await database.fetch("SELECT pg_sleep(5)")

    assert await numbers(database) == []


async def test_a_cancelled_transaction_is_undone_and_lets_go_of_its_locks(
    database: Database,
) -> None:
    inserted = asyncio.Event()

    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO numbers VALUES (1)")
        inserted.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(database.transact(work))
    await inserted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await database.execute("INSERT INTO numbers VALUES (1)")
    assert await numbers(database) == [1]


async def test_a_transaction_cancelled_while_it_begins_takes_nobodys_statement_with_it(
    empty_dsn: Sensitive[str],
) -> None:
    """The server has begun it, and the client does not know."""
    database = await Database.connect(empty_dsn, application_name="tests", connections=1)
    await database.execute("CREATE TABLE numbers (n integer PRIMARY KEY)")
    task = asyncio.ensure_future(
        database.transact(lambda connection: connection.fetch("SELECT 1"))
    )
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251  # the server answers, and nobody reads it yet
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await database.execute("INSERT INTO numbers VALUES (1)")

    another = await Database.connect(empty_dsn, application_name="tests", connections=1)
    assert await numbers(another) == [1]
    await asyncio.gather(database.close(), another.close())


async def test_a_backend_that_is_terminated_costs_one_request_at_most(
    database: Database, empty_dsn: Sensitive[str]
) -> None:
    await _terminate_backends(empty_dsn)

    with suppress(UnavailableError):  # the first to notice
        await database.healthy()

    assert await numbers(database) == []


async def test_a_backend_terminated_in_a_transaction_is_unavailable(
    database: Database, empty_dsn: Sensitive[str]
) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO numbers VALUES (1)")
        await _terminate_backends(empty_dsn)
        await connection.execute("INSERT INTO numbers VALUES (2)")

    with pytest.raises(UnavailableError) as caught:
        await database.transact(work)

    assert not isinstance(caught.value, AmbiguousCommitError)
    assert await numbers(database) == []


async def test_a_connection_lost_at_commit_is_ambiguous(
    database: Database, empty_dsn: Sensitive[str]
) -> None:
    attempts = []

    async def work(connection: Connection) -> None:
        attempts.append(1)
        await connection.execute("INSERT INTO numbers VALUES (1)")
        await _terminate_backends(empty_dsn)

    with pytest.raises(AmbiguousCommitError):
        await database.transact(work)

    assert len(attempts) == 1


async def test_no_more_connections_are_open_than_allowed(empty_dsn: Sensitive[str]) -> None:
    database = await Database.connect(empty_dsn, application_name="bounded", connections=2)

    await asyncio.gather(*(database.fetch("SELECT pg_sleep(0.05)") for _ in range(10)))

    rows = await database.fetch(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'bounded'"
        " AND datname = current_database()"
    )
    assert rows[0]["n"] == 2
    await database.close()


async def test_a_changed_table_does_not_fail_prepared_statements(database: Database) -> None:
    async def work(connection: Connection) -> list[Any]:
        return list(await connection.fetch("SELECT * FROM numbers"))

    await database.transact(work)
    await database.execute("ALTER TABLE numbers ADD COLUMN extra text")

    assert await database.transact(work) == []


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StartHinderedError, match=r"127\.0\.0\.1:1 cannot be used: nothing"):
        await Database.connect(
            Sensitive("postgresql://u:marker-pw@127.0.0.1:1/x"), application_name="tests"
        )


async def test_a_wrong_password_is_unavailable_and_is_not_told(
    empty_dsn: Sensitive[str],
) -> None:
    wrong = with_password(empty_dsn, "marker-pw")

    with pytest.raises(StartRefusedError) as caught:
        await Database.connect(wrong, application_name="tests")

    assert "marker-pw" not in repr(caught.value) + repr(caught.value.__cause__)


async def test_a_closed_database_is_unavailable(empty_dsn: Sensitive[str]) -> None:
    database = await Database.connect(empty_dsn, application_name="tests")
    await database.close()

    with pytest.raises(UnavailableError):
        await database.healthy()


async def _nothing(_connection: Connection) -> None:
    pass


async def _terminate_backends(dsn: Sensitive[str]) -> None:
    connection = await asyncpg.connect(dsn.reveal())
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    finally:
        await connection.close()


async def test_a_statement_is_prepared_once_and_stays_so(empty_dsn: Sensitive[str]) -> None:
    database = await Database.connect(empty_dsn, application_name="tests", connections=1)
    statement = "SELECT $1::integer AS n"

    async def prepared() -> list[tuple[Any, ...]]:
        rows = await database.fetch(
            "SELECT name, prepare_time FROM pg_prepared_statements WHERE statement = $1",
            statement,
        )
        return [tuple(row) for row in rows]

    await database.fetch(statement, 0)
    first = await prepared()
    for n in range(20):
        await database.fetch(statement, n)

    assert await prepared() == first
    assert len(first) == 1
    await database.close()


async def test_a_database_that_commits_without_waiting_for_its_disk_is_told(
    database: Database, empty_dsn: Sensitive[str]
) -> None:
    name = await database.fetchrow("SELECT current_database() AS name")
    assert name is not None
    await database.execute(f"ALTER DATABASE {name['name']} SET synchronous_commit = off")

    with capture_logs() as lines:
        await (await Database.connect(empty_dsn, application_name="tests")).close()

    assert [line["setting"] for line in lines if line["log_level"] == "warning"] == [
        "synchronous_commit"
    ]


async def test_an_idle_connection_is_taken_without_waiting(empty_dsn: Sensitive[str]) -> None:
    settings = ConnectionSettings(empty_dsn, "tests", statement_timeout_seconds=5)
    held = HeldConnections(settings, 1)
    made = await held.take()
    held.give_back(made)

    with pytest.raises(StopIteration) as taken:
        held.take().send(None)

    assert taken.value.value is made
    held.give_back(made)
    await held.close()
