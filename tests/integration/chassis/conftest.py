"""A harness, an empty database and a log of the test's own."""

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog

from chassis.accept_mode import AcceptMode
from chassis.fast_accept import problem
from chassis.log_level import LogLevel
from chassis.sensitive import Sensitive
from chassis.telemetry import configure_logging
from tests.integration.chassis.databases import empty_database
from tests.integration.chassis.harness import Harness

# Every mode that the grpcio installed here allows.
MODES = [AcceptMode.STANDARD] if problem() else [AcceptMode.STANDARD, AcceptMode.FAST]


@pytest.fixture(params=MODES, ids=str)
async def harness(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    async with AsyncExitStack() as stack:
        yield Harness(tmp_path, stack, request.param)


@pytest.fixture
async def empty_dsn(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    async with empty_database(metadata_server_dsn) as dsn:
        yield dsn


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, a line of JSON each."""
    lines = io.StringIO()
    configure_logging("test", LogLevel.INFO, lines)
    yield lines
    structlog.reset_defaults()
