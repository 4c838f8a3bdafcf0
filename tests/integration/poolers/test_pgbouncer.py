"""pgbouncer between the services and their databases."""

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from chassis.connection import Connection
from chassis.connections import ConnectionSettings
from chassis.migrations import migrate
from chassis.poolers import SharedSessionsError, fit_for_poolers
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.integration.chassis.databases import empty_database

PATIENCE_SECONDS = 20.0
IGNORED = "statement_timeout,idle_in_transaction_session_timeout,default_transaction_isolation"
UNPRIVILEGED = "nobody"

Pooled = Callable[..., Awaitable[Sensitive[str]]]


def program() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("pgbouncer is not installed: apt-get install pgbouncer")
        pytest.skip("pgbouncer is not installed: apt-get install pgbouncer")
    return found


@asynccontextmanager
async def pgbouncer(server: Sensitive[str], **options: object) -> AsyncIterator[int]:
    """The port of a pooler that leads to this server."""
    parts = urlsplit(server.reveal())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "logfile": folder / "log",
        **options,
    }
    account = f"user={parts.username} password={unquote(parts.password or '')}"
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={parts.port} {account}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in lines.items())
    )
    words = [program(), "-q", str(folder / "ini")]
    if os.geteuid() == 0:
        words[1:1] = ["-u", UNPRIVILEGED]
        for path in (folder, folder / "ini"):
            shutil.chown(path, UNPRIVILEGED)
    process = await asyncio.create_subprocess_exec(*words)
    try:
        await until_open(port)
        yield port
    finally:
        process.kill()
        await process.wait()
        shutil.rmtree(folder)


async def until_open(port: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@pytest.fixture
async def empty_dsn(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    async with empty_database(metadata_server_dsn) as dsn:
        yield dsn


@pytest.fixture
async def pooled(empty_dsn: Sensitive[str]) -> AsyncIterator[Pooled]:
    """The way to the empty database through a pooler with these options."""
    async with AsyncExitStack() as stack:

        async def through(**options: object) -> Sensitive[str]:
            port = await stack.enter_async_context(pgbouncer(empty_dsn, **options))
            name = urlsplit(empty_dsn.reveal()).path
            return Sensitive(f"postgresql://anybody:x@127.0.0.1:{port}{name}")

        yield through


@pytest.mark.parametrize("ignored", ["", IGNORED + ",client_min_messages"])
async def test_session_mode_works_and_the_session_is_as_it_should_be(
    pooled: Pooled, ignored: str
) -> None:
    dsn = await pooled(pool_mode="session", ignore_startup_parameters=ignored)
    database = await Database.connect(
        dsn, application_name="tests", connections=4, statement_timeout_seconds=3
    )
    try:
        names = [*IGNORED.split(","), "timezone", "application_name", "client_min_messages"]

        async def shown(connection: Connection) -> dict[str, str]:
            return {n: await connection.fetchval(f"SHOW {n}") for n in names}

        assert await database.transact(shown) == {
            "statement_timeout": "3s",
            "idle_in_transaction_session_timeout": "3s",
            "default_transaction_isolation": "read committed",
            "timezone": "UTC",
            "application_name": "tests",
            "client_min_messages": "warning",
        }
        await database.write("CREATE TABLE numbers (n integer)")
        await asyncio.gather(
            *(database.write("INSERT INTO numbers VALUES ($1)", n) for n in range(50))
        )
        counted = await asyncio.gather(
            *(database.fetch("SELECT count(*) AS n FROM numbers") for _ in range(50))
        )
        assert {rows[0]["n"] for rows in counted} == {50}
    finally:
        await database.close()


async def test_a_database_is_migrated_through_session_mode(pooled: Pooled) -> None:
    dsn = await pooled(pool_mode="session")

    assert await migrate(dsn, "vault_svc.postgres.migrations")
    assert await migrate(dsn, "vault_svc.postgres.migrations") == []


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("ignored", ["", IGNORED + ",client_min_messages"])
@pytest.mark.parametrize("round_robin", [0, 1])
async def test_a_pooler_that_shares_sessions_is_refused(
    pooled: Pooled, mode: str, ignored: str, round_robin: int
) -> None:
    dsn = await pooled(
        pool_mode=mode, ignore_startup_parameters=ignored, server_round_robin=round_robin
    )

    with pytest.raises(SharedSessionsError, match="pool_mode=session"):
        await Database.connect(dsn, application_name="tests")
    with pytest.raises(SharedSessionsError, match="pool_mode=session"):
        await migrate(dsn, "vault_svc.postgres.migrations")


async def test_it_is_refused_though_others_use_the_same_pooler(pooled: Pooled) -> None:
    dsn = await pooled(
        pool_mode="transaction",
        ignore_startup_parameters=IGNORED + ",client_min_messages",
        server_round_robin=1,
        min_pool_size=5,
    )

    async def busy() -> None:
        connection = await asyncpg.connect(dsn.reveal(), statement_cache_size=0)
        while True:
            await connection.execute("SELECT pg_sleep(0.002)")

    others = [asyncio.create_task(busy()) for _ in range(4)]
    await asyncio.sleep(0.5)
    try:
        for _ in range(5):
            with pytest.raises(SharedSessionsError):
                await Database.connect(dsn, application_name="tests")
    finally:
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@pytest.mark.parametrize("service", ["metadata_svc", "vault_svc"])
async def test_a_service_says_in_one_sentence_what_works(pooled: Pooled, service: str) -> None:
    dsn = await pooled(pool_mode="transaction")
    name = service.removesuffix("_svc").upper()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", service, "migrate"),
        env={**os.environ, f"SPLITKEEP_{name}_DSN": dsn.reveal()},
        stderr=asyncio.subprocess.PIPE,
    )
    _, printed = await process.communicate()

    (line,) = printed.decode().splitlines()
    assert process.returncode == 2
    assert "behind a pooler that shares sessions: give it pool_mode=session" in line[:200]
    assert "frames" not in json.loads(line)


async def test_without_a_pooler_nothing_is_set_by_statement(empty_dsn: Sensitive[str]) -> None:
    settings = ConnectionSettings(empty_dsn, "tests", 5)

    assert await fit_for_poolers(settings) is settings
