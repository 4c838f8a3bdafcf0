"""Two stacks of two replicas: one that only misfortune befalls, one where faults are planted.

A planted fault leaves the databases wrong, which no test of the other stack may find there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.stack import MARK
from tests.faults.histories.replicated_stack import ReplicatedStack, replicated_stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplicatedStack]:
    async with _silent_stack(tmp_path_factory.mktemp("histories") / "state") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def faulty_stack(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ReplicatedStack]:
    """Where `replaced` may put a fault."""
    async with _silent_stack(tmp_path_factory.mktemp("faulty") / "state") as running:
        yield running


@asynccontextmanager
async def _silent_stack(directory: Path) -> AsyncIterator[ReplicatedStack]:
    """However things failed: every value of these tests bears the mark."""
    async with replicated_stack(directory) as running:
        yield running
        assert MARK.encode() not in running.logged(), "a value is logged"
