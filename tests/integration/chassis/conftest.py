"""A harness and an empty database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chassis.sensitive import Sensitive
from tests.integration.chassis.databases import empty_database
from tests.integration.chassis.harness import Harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with AsyncExitStack() as stack:
        yield Harness(tmp_path, stack)


@pytest.fixture
async def empty_dsn(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    async with empty_database(metadata_server_dsn) as dsn:
        yield dsn
