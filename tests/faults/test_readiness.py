"""A database that answers and takes no writes is not ready, and is ready again afterwards."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from chassis.database_health import DatabaseHealth
from chassis.errors import UnavailableError
from chassis.postgres import Connection, Database
from chassis.readiness import PartsFailingError, Readiness
from chassis.sensitive import Sensitive
from splitkeep.local.databases import new_password
from splitkeep.local.ports import Ports
from splitkeep.local.postgres import PostgresServer, PostgresSettings
from splitkeep.local.postgres_home import erase_home, open_home

DISK_BYTES = 128 * 1024 * 1024
PATIENCE_SECONDS = 20.0
TABLE = "CREATE TABLE kept (n integer, filling text)"


async def becomes(health: DatabaseHealth, *, failing: bool) -> None:
    """Readiness says so, soon."""
    readiness = Readiness({"database": health.check})
    wanted = ("database: writes",) if failing else ()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await readiness.failing() != wanted:  # noqa: ASYNC110  # nobody tells that it changed
            await asyncio.sleep(0.2)


async def write(database: Database) -> None:
    await database.write("INSERT INTO kept VALUES (1, repeat('x', 1000))")


async def write_much(database: Database) -> None:
    for _ in range(1000):  # the table's last pages have room for some
        await write(database)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server whose data are on a file system of their own."""
    if os.geteuid() != 0:
        pytest.skip("a small file system is mounted by root only")
    home = open_home(tmp_path, as_root=True)
    settings = PostgresSettings(
        name="small", port=Ports().choose(0), password=Sensitive(new_password()), durable=False
    )
    server = PostgresServer(home, settings, tmp_path / "log")
    home.make_directory(server.directory)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(server.directory)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        erase_home(tmp_path)
        pytest.skip("no file system can be mounted here")
    yield server
    subprocess.run(["umount", "--lazy", str(server.directory)], check=True)
    erase_home(tmp_path)


def fill(disk: Path) -> Path:
    """A file that leaves no room beside it."""
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filling


async def test_a_full_disk_is_told_and_so_is_its_end(small_disk: PostgresServer) -> None:
    await small_disk.start()
    database = await Database.connect(small_disk.admin_dsn, application_name="faults")
    try:
        await database.execute(TABLE)
        health = DatabaseHealth(database, ["kept"])
        await health.check()

        filling = await asyncio.to_thread(fill, small_disk.directory)
        with pytest.raises(UnavailableError):
            await write_much(database)
        assert await database.fetch("SELECT 1")
        await becomes(health, failing=True)

        filling.unlink()
        await becomes(health, failing=False)
        await write(database)
    finally:
        await database.close()
        await small_disk.stop()


async def test_a_full_disk_is_seen_by_a_service_that_writes_nothing(
    small_disk: PostgresServer,
) -> None:
    await small_disk.start()
    database = await Database.connect(small_disk.admin_dsn, application_name="faults")
    try:
        await database.execute(TABLE)
        await asyncio.to_thread(fill, small_disk.directory)

        await becomes(DatabaseHealth(database, ["kept"]), failing=True)
    finally:
        await database.close()
        await small_disk.stop()


Execute = Callable[[str], Awaitable[None]]


@pytest.fixture
async def as_administrator(metadata_dsn: Sensitive[str]) -> AsyncIterator[Execute]:
    connection = await asyncpg.connect(metadata_dsn.reveal())

    async def execute(statement: str) -> None:
        await connection.execute(statement)

    yield execute
    await connection.close()


@pytest.fixture
async def database(
    metadata_dsn: Sensitive[str], as_administrator: Execute
) -> AsyncIterator[Database]:
    """A database as a role sees it that may lose its rights."""
    await as_administrator(TABLE)
    name, password = f"role_{os.urandom(6).hex()}", new_password()
    await as_administrator(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    await as_administrator(f"GRANT ALL ON kept TO {name}")
    parts = urlsplit(metadata_dsn.reveal())
    place = parts.netloc.rpartition("@")[2]
    dsn = urlunsplit(parts._replace(netloc=f"{name}:{quote(password)}@{place}"))
    database = await Database.connect(Sensitive(dsn), application_name="faults")
    yield database
    await database.close()
    await as_administrator(f"DROP OWNED BY {name}")
    await as_administrator(f"DROP ROLE {name}")


@pytest.fixture
def health(database: Database) -> DatabaseHealth:
    return DatabaseHealth(database, ["kept"])


async def test_a_role_that_may_not_insert_is_told(
    database: Database, health: DatabaseHealth, as_administrator: Execute
) -> None:
    await health.check()
    await as_administrator("REVOKE INSERT ON kept FROM PUBLIC; ALTER TABLE kept RENAME TO lost")
    await as_administrator("CREATE TABLE kept AS SELECT * FROM lost")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await write(database)
    await becomes(health, failing=True)

    await as_administrator("GRANT ALL ON kept TO PUBLIC")
    await becomes(health, failing=False)


async def test_a_server_that_becomes_read_only_is_told(
    health: DatabaseHealth, as_administrator: Execute, metadata_dsn: Sensitive[str]
) -> None:
    await health.check()
    name = urlsplit(metadata_dsn.reveal()).path.removeprefix("/")
    await as_administrator(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await as_administrator(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    readiness = Readiness({"database": health.check})
    assert [part.partition(":")[0] for part in await readiness.failing()] == ["database"]


async def test_too_many_connections_are_told(
    database: Database,
    health: DatabaseHealth,
    as_administrator: Execute,
    metadata_dsn: Sensitive[str],
) -> None:
    await health.check()
    (role,) = await database.fetch("SELECT current_user AS name")
    await as_administrator(f"ALTER ROLE {role['name']} CONNECTION LIMIT 0")
    await as_administrator(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE usename = '{role['name']}'"
    )

    assert await Readiness({"database": health.check}).failing() == ("database",)


async def test_what_is_tried_leaves_nothing_behind(
    database: Database, health: DatabaseHealth
) -> None:
    for _ in range(3):
        database.failed_writes += 1  # so that it is tried again
        await health.check()

    assert await database.fetch("SELECT * FROM kept") == []


async def test_a_try_that_hangs_is_told_and_keeps_one_connection(
    database: Database, health: DatabaseHealth, as_administrator: Execute
) -> None:
    await health.check()
    await as_administrator("BEGIN; LOCK TABLE kept IN ACCESS EXCLUSIVE MODE")
    database.failed_writes += 1

    await becomes(health, failing=True)
    with suppress(PartsFailingError):
        await health.check()
    rows = await database.fetch(
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE usename = current_user AND wait_event_type = 'Lock'"
    )
    assert rows[0]["n"] <= 1

    await as_administrator("ROLLBACK")
    await becomes(health, failing=False)


async def test_writes_of_others_do_not_make_it_look_busy(
    database: Database, health: DatabaseHealth
) -> None:
    """Every connection that may write is taken for a while, and the service stays ready."""
    await health.check()
    database.failed_writes += 1

    async def slow(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(1)")

    busy = [asyncio.create_task(database.transact(slow)) for _ in range(8)]
    await asyncio.sleep(0.1)

    await health.check()

    await asyncio.gather(*busy)
