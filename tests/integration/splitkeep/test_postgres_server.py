"""Embedded Postgres: private, watched, recovered after every kind of end."""

import asyncio
import os
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from chassis.sensitive import Sensitive
from splitkeep.local.databases import ensure_database
from splitkeep.local.ports import Ports
from splitkeep.local.postgres import PostgresError, PostgresServer, PostgresSettings, dsn
from splitkeep.local.postgres_home import PostgresHome, erase_home, open_home

IS_ROOT = os.geteuid() == 0
PASSWORD = "p@ss/word: with everything"


def a_server(home: PostgresHome, log: Path) -> PostgresServer:
    settings = PostgresSettings(
        name="vault", port=Ports().choose(0), password=Sensitive(PASSWORD), durable=False
    )
    return PostgresServer(home, settings, log)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresHome]:
    state = tmp_path_factory.mktemp("postgres")
    yield open_home(state, as_root=IS_ROOT)
    erase_home(state)


@pytest.fixture(scope="module")
def cluster(shared_home: PostgresHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a cluster that was started and stopped once, to be copied."""

    async def make() -> Path:
        server = a_server(shared_home, tmp_path_factory.mktemp("log") / "log")
        await server.start()
        await server.stop()
        return server.directory

    return asyncio.run(make())


@pytest.fixture
def empty_home(shared_home: PostgresHome) -> PostgresHome:
    """A home without data, whose binaries are shared."""
    directory = shared_home.make_directory(shared_home.directory / uuid4().hex[:6])
    return replace(shared_home, directory=directory)


@pytest.fixture
def server(empty_home: PostgresHome, cluster: Path, tmp_path: Path) -> PostgresServer:
    """A server of this test's own that was shut down once."""
    subprocess.run(["cp", "-a", cluster, empty_home.directory], check=True)
    return a_server(empty_home, tmp_path / "log")


@asynccontextmanager
async def running(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    await server.start()
    try:
        connection = await asyncpg.connect(server.admin_dsn.reveal())
        yield connection
        await connection.close(timeout=5)
    finally:
        await server.stop()


async def test_every_way_in_asks_for_a_scram_password(server: PostgresServer) -> None:
    async with running(server) as connection:
        methods = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        addresses = await connection.fetchval("SHOW listen_addresses")

    assert [row["auth_method"] for row in methods] == ["scram-sha-256"]
    assert addresses == "127.0.0.1"


async def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    wrong = dsn(server.settings, user="postgres", password="wrong", database="postgres")

    async with running(server):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong.reveal())


async def test_data_sockets_and_passwords_are_their_users_alone(server: PostgresServer) -> None:
    async with running(server):
        modes = {p: stat.S_IMODE(p.stat().st_mode) for p in (server.directory, server.data)}

    assert set(modes.values()) == {0o700}
    assert not (server.directory / "password").exists()


async def test_data_outlive_a_stop_and_a_start(server: PostgresServer) -> None:
    async with running(server) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    async with running(server) as connection:
        assert await connection.fetchval("SELECT seven FROM kept") == 7


async def test_data_outlive_a_killed_postmaster(server: PostgresServer) -> None:
    await server.start()
    connection = await asyncpg.connect(server.admin_dsn.reveal())
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    os.kill(server.pid, signal.SIGKILL)
    assert await server.ended() == -signal.SIGKILL
    connection.terminate()

    async with asyncio.timeout(30):
        while True:
            try:
                await server.start()
                break
            except PostgresError:  # its orphaned backends may still hold the shared memory
                await asyncio.sleep(0.1)
    async with running(server) as connection:
        assert await connection.fetchval("SELECT seven FROM kept") == 7


async def test_a_server_left_by_a_killed_supervisor_is_ended_first(
    server: PostgresServer, tmp_path: Path
) -> None:
    await server.start()
    successor = a_server(server.home, tmp_path / "log")

    async with running(successor) as connection:
        assert await connection.fetchval("SELECT 1") == 1
        assert await server.ended() == 0
    await server.stop()


async def test_a_lock_file_that_names_somebody_elses_process_is_no_obstacle(
    server: PostgresServer,
) -> None:
    async with running(server):
        pass
    lines = [str(os.getpid()), str(server.data), "1", "1", "", "127.0.0.1", "", "ready"]
    (server.data / "postmaster.pid").write_text("\n".join(lines) + "\n")

    async with running(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1


TORN_LOCK_FILES = {
    "empty": b"",
    "line break": b"\n",
    "zero bytes": bytes(64),
    "no number": b"garbage\n",
    "no text": b"\xff\xfe\n",
    "negative": b"-1\n",
    "the first process": b"1\n",
    "cut off after the number": b"999999999",
    "this process": f"{os.getpid()}\n/elsewhere\n".encode(),
}


@pytest.mark.parametrize("content", TORN_LOCK_FILES.values(), ids=TORN_LOCK_FILES)
async def test_a_torn_lock_file_does_not_keep_the_server_from_starting(
    server: PostgresServer, content: bytes
) -> None:
    (server.data / "postmaster.pid").write_bytes(content)
    socket_lock = server.directory / f".s.PGSQL.{server.settings.port}.lock"
    socket_lock.write_bytes(content)

    async with running(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("content", [b"", b"garbage\n"], ids=["empty", "garbage"])
async def test_a_server_that_still_runs_is_ended_whatever_its_lock_file_says(
    server: PostgresServer, tmp_path: Path, content: bytes
) -> None:
    await server.start()
    (server.data / "postmaster.pid").write_bytes(content)
    successor = a_server(server.home, tmp_path / "log")

    async with running(successor) as connection:
        assert await connection.fetchval("SELECT 1") == 1
        await asyncio.wait_for(server.ended(), 10)


async def test_data_without_a_version_are_told_in_a_sentence(server: PostgresServer) -> None:
    (server.data / "PG_VERSION").unlink()

    with pytest.raises(PostgresError, match=r"^the vault database .* is damaged"):
        await server.start()


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'quote"d', "100%", "com,ma", "$HOME", "caf\u00e9"]
)
async def test_a_path_of_any_characters_will_do(
    shared_home: PostgresHome, tmp_path: Path, name: str
) -> None:
    await starts_in(shared_home, os.fsencode(name), tmp_path)


async def test_a_path_that_is_not_utf8_will_do(
    shared_home: PostgresHome, tmp_path: Path
) -> None:
    await starts_in(shared_home, b"\xff\xe9", tmp_path)


async def starts_in(shared_home: PostgresHome, name: bytes, log: Path) -> None:
    place = shared_home.directory / f"{uuid4().hex[:4]}{os.fsdecode(name)}"
    home = replace(shared_home, directory=shared_home.make_directory(place))
    async with running(a_server(home, log / "log")) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_an_initdb_that_was_interrupted_is_done_again(
    empty_home: PostgresHome, tmp_path: Path
) -> None:
    server = a_server(empty_home, tmp_path / "log")
    server.home.make_directory(server.directory)
    server.home.make_directory(server.directory / "data.new")
    (server.directory / "data.new" / "PG_VERSION").write_text("18\n")

    async with running(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_data_of_another_release_are_refused_in_words(server: PostgresServer) -> None:
    async with running(server):
        pass
    (server.data / "PG_VERSION").write_text("15\n")

    with pytest.raises(PostgresError, match="made by Postgres 15"):
        await server.start()


async def test_a_server_that_cannot_start_says_why(server: PostgresServer) -> None:
    async with running(server):
        pass
    (server.data / "postgresql.auto.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(PostgresError, match="no_such_setting"):
        await server.start()


async def test_the_services_role_owns_its_database_and_is_no_superuser(
    server: PostgresServer,
) -> None:
    async with running(server):
        way_in = await ensure_database(server, Sensitive("owner-password"))
        again = await ensure_database(server, Sensitive("owner-password"))
        connection = await asyncpg.connect(way_in.reveal())
        superuser = await connection.fetchval("SHOW is_superuser")
        owner = await connection.fetchval(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        )
        await connection.close()

    assert way_in.reveal() == again.reveal()
    assert (superuser, owner) == ("off", "vault")


async def test_a_database_of_another_version_is_told_in_a_sentence(
    server: PostgresServer,
) -> None:
    async with running(server):
        way_in = await ensure_database(server, Sensitive("owner-password"))
        connection = await asyncpg.connect(way_in.reveal())
        await connection.execute("UPDATE schema_migrations SET sha256 = 'other'")
        await connection.close()

        with pytest.raises(PostgresError, match=r"edited after .* run the version"):
            await ensure_database(server, Sensitive("owner-password"))


async def test_a_damaged_database_that_runs_is_told_in_a_sentence(
    server: PostgresServer,
) -> None:
    async with running(server):
        await ensure_database(server, Sensitive("owner-password"))
    for database in (server.data / "base").iterdir():
        (database / "1259").write_bytes(b"")  # pg_class

    await server.start()
    try:
        with pytest.raises(PostgresError, match=r"does not answer as a whole one .* restore"):
            await ensure_database(server, Sensitive("owner-password"))
    finally:
        await server.stop()
