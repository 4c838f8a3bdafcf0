"""Databases for the tests: real Postgres, a fresh database per test.

- The two servers are given by SPLITKEEP_TEST_METADATA_DSN and SPLITKEEP_TEST_VAULT_DSN, the
  DSNs of an administrator; `python3 -m splitkeep test` starts two and sets both. Without them
  the tests that need a database are skipped, and say so.
- `metadata_dsn` and `vault_dsn` name a database that was cloned for one test from a template
  which this session migrated once; it is dropped afterwards, with whoever is still connected.
- `docker_engine` is an engine that answers, found or started; a test without one is skipped,
  and says why. Such tests share one process.
- Importing from one test folder into another: `tests` is a package (`from tests.fakes…`,
  `from tests.contracts…`) and the folders below need no `__init__.py`. pytest puts the
  repository's root on the path (`pythonpath` in pyproject.toml).
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from chassis.sensitive import Sensitive
from tests.e2e.compose.engine.fixtures import base, docker_engine
from tests.e2e.compose.engine.schedule import pytest_xdist_make_scheduler

__all__ = ["base", "docker_engine", "pytest_xdist_make_scheduler"]

# A test says how it connects; the driver takes what it is not told from these.
for _variable in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_variable]

# The tests' own HTTP clients reach servers on this machine, whatever proxy it has to use.
for _variable in ("no_proxy", "NO_PROXY"):
    os.environ[_variable] = ",".join(
        filter(None, (os.environ.get(_variable), "localhost,127.0.0.1,::1"))
    )

T = TypeVar("T")
Clone = Callable[[], Sensitive[str]]


def _await(work: Coroutine[Any, Any, T]) -> T:
    """Runs in a thread of its own, so that no fixture meddles with a test's event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _server(variable: str) -> Sensitive[str]:
    dsn = os.environ.get(variable)
    if not dsn:
        pytest.skip(
            f"needs Postgres: {variable} is not set (python3 -m splitkeep test sets it)"
        )
    return Sensitive(dsn)


def _named(server: Sensitive[str], database: str) -> Sensitive[str]:
    return Sensitive(urlunsplit(urlsplit(server.reveal())._replace(path=f"/{database}")))


async def _administer(server: Sensitive[str], statement: str) -> None:
    connection = await asyncpg.connect(server.reveal())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _database(server: Sensitive[str], *, template: str = "template1") -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    _await(_administer(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield name
    finally:
        _await(_administer(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _migrate(dsn: Sensitive[str], package: str) -> None:
    # Imported here: tests that need no database run without a driver or a migration.
    from chassis.migrations import migrate  # noqa: PLC0415

    await migrate(dsn, package)


@contextmanager
def _migrated(server: Sensitive[str], package: str) -> Iterator[str]:
    with _database(server) as name:
        _await(_migrate(_named(server, name), package))
        yield name


@pytest.fixture(scope="session")
def metadata_server_dsn() -> Sensitive[str]:
    """The DSN of an administrator of the metadata server."""
    return _server("SPLITKEEP_TEST_METADATA_DSN")


@pytest.fixture(scope="session")
def vault_server_dsn() -> Sensitive[str]:
    """The DSN of an administrator of the vault server."""
    return _server("SPLITKEEP_TEST_VAULT_DSN")


@pytest.fixture(scope="session")
def metadata_template(metadata_server_dsn: Sensitive[str]) -> Iterator[str]:
    """The name of a migrated metadata database that nobody connects to."""
    with _migrated(metadata_server_dsn, "metadata_svc.postgres.migrations") as name:
        yield name


@pytest.fixture(scope="session")
def vault_template(vault_server_dsn: Sensitive[str]) -> Iterator[str]:
    """The name of a migrated vault database that nobody connects to."""
    with _migrated(vault_server_dsn, "vault_svc.postgres.migrations") as name:
        yield name


@pytest.fixture
def metadata_dsn(
    metadata_server_dsn: Sensitive[str], metadata_template: str
) -> Iterator[Sensitive[str]]:
    """The DSN of a freshly migrated metadata database of this test's own."""
    with _database(metadata_server_dsn, template=metadata_template) as name:
        yield _named(metadata_server_dsn, name)


@pytest.fixture
def vault_dsn(
    vault_server_dsn: Sensitive[str], vault_template: str
) -> Iterator[Sensitive[str]]:
    """The DSN of a freshly migrated vault database of this test's own."""
    with _database(vault_server_dsn, template=vault_template) as name:
        yield _named(vault_server_dsn, name)
