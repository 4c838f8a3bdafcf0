"""Both services on databases of their own; and a whole stack behind proxies."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chassis.migrations import migrate
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.e2e.stack import MARK
from tests.faults.system.callers import Callers, callers_of, until
from tests.faults.system.installation import Installation
from tests.faults.system.proxied_stack import ProxiedStack, proxied_stack
from tests.integration.chassis.databases import empty_database

TABLES = """
SELECT tablename FROM pg_tables
WHERE schemaname = 'public' AND tablename NOT LIKE 'schema_%'
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dsns(
    metadata_server_dsn: Sensitive[str], vault_server_dsn: Sensitive[str]
) -> AsyncIterator[tuple[Sensitive[str], Sensitive[str]]]:
    """Two migrated databases, which the tests use one after the other."""
    async with (
        empty_database(metadata_server_dsn) as metadata,
        empty_database(vault_server_dsn) as vault,
    ):
        await migrate(metadata, "metadata_svc.postgres.migrations")
        await migrate(vault, "vault_svc.postgres.migrations")
        yield metadata, vault


@pytest.fixture
async def installation(
    dsns: tuple[Sensitive[str], Sensitive[str]],
) -> AsyncIterator[Installation]:
    """Both services on databases without a row."""
    metadata, vault = [await Database.connect(dsn, application_name="faults") for dsn in dsns]
    try:
        for database in (metadata, vault):
            await emptied(database)
        yield Installation(metadata, vault, metadata_dsn=dsns[0])
    finally:
        await vault.close()
        await metadata.close()


async def emptied(database: Database) -> None:
    tables = [row["tablename"] for row in await database.fetch(TABLES)]
    await database.execute(f"TRUNCATE {', '.join(tables)}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProxiedStack]:
    """One for all tests: each leaves it whole."""
    async with proxied_stack(tmp_path_factory.mktemp("faults") / "state") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def callers(stack: ProxiedStack) -> AsyncIterator[Callers]:
    """Everyone who uses the stack, which is whole before and after."""
    async with callers_of(stack) as everyone:
        await until(everyone.ready)
        yield everyone
        stack.restore()
        await until(everyone.ready)
        # However things failed: every value of these tests bears the mark.
        secrets = [MARK, *everyone.tokens.values()]
        assert not any(secret.encode() in stack.logged() for secret in secrets), "it is logged"
