"""One stack of two replicas for all these tests: each leaves it whole."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.stack import MARK
from tests.faults.histories.replicated_stack import ReplicatedStack, replicated_stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplicatedStack]:
    async with replicated_stack(tmp_path_factory.mktemp("histories") / "state") as running:
        yield running
        # However things failed: every value of these tests bears the mark.
        assert MARK.encode() not in running.logged(), "a value is logged"
