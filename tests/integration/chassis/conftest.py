"""A harness and an empty database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from chassis.sensitive import Sensitive
from tests.integration.chassis.harness import Harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with AsyncExitStack() as stack:
        yield Harness(tmp_path, stack)


@pytest.fixture
async def empty_dsn(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    """The DSN of an empty database, dropped afterwards."""
    name = f"chassis_{uuid4().hex}"
    connection = await asyncpg.connect(metadata_server_dsn.reveal())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        parts = urlsplit(metadata_server_dsn.reveal())
        yield Sensitive(urlunsplit(parts._replace(path=f"/{name}")))
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()
