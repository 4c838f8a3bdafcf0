"""A pair of servers for the tests of one file, whole before each of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.replication.nodes import Pair, pairs


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with pairs(tmp_path_factory.mktemp("nodes") / "state", "only") as made:
        yield made["only"]
