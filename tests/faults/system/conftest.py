"""Both services on freshly migrated databases; and a whole stack behind proxies."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.e2e.stack import MARK
from tests.faults.system.callers import Callers, callers_of, until
from tests.faults.system.installation import Installation
from tests.faults.system.proxied_stack import ProxiedStack, proxied_stack


@pytest.fixture
async def installation(
    metadata_dsn: Sensitive[str], vault_dsn: Sensitive[str]
) -> AsyncIterator[Installation]:
    metadata = await Database.connect(metadata_dsn, application_name="faults")
    vault = await Database.connect(vault_dsn, application_name="faults")
    try:
        yield Installation(metadata, vault)
    finally:
        await vault.close()
        await metadata.close()


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
