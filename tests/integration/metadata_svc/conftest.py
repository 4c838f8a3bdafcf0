"""The stores on Postgres: one migrated database for a module, emptied before each test.

A clone for each test would cost more than all that the tests do with it.
"""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.postgres.stores import PostgresStores
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores


def postgres_stores(database: Database) -> Stores:
    stores = PostgresStores.on(database)
    return Stores(
        transactions=stores.transactions,
        replication=stores.replication,
        reader=stores.reader,
        keepers=stores.keepers,
        secure_value_pages=stores.secure_value_pages,
        secure_value_changes=stores.secure_value_changes,
        keeper_pages=stores.keeper_pages,
        keeper_changes=stores.keeper_changes,
        counters=stores.counters,
        idempotency=stores.idempotency,
    )


EMPTY = """
DELETE FROM changes; DELETE FROM secure_value_labels; DELETE FROM secure_value_decrypters;
DELETE FROM secure_values; DELETE FROM value_ids; DELETE FROM names; DELETE FROM keepers;
DELETE FROM counters; DELETE FROM keeper_activations; DELETE FROM idempotency_keys;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_dsn(
    metadata_server_dsn: Sensitive[str], metadata_template: str
) -> AsyncIterator[Sensitive[str]]:
    """A database of this module's own."""
    name = f"test_{uuid4().hex}"
    server = metadata_server_dsn.reveal()
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE {metadata_template}")
    yield Sensitive(urlunsplit(urlsplit(server)._replace(path=f"/{name}")))
    await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def metadata_dsn(module_dsn: Sensitive[str]) -> Sensitive[str]:
    """The module's database, with nothing in it."""
    await _execute(module_dsn.reveal(), EMPTY)
    return module_dsn


async def _execute(dsn: str, statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


@pytest.fixture
async def database(metadata_dsn: Sensitive[str]) -> AsyncIterator[Database]:
    database = await Database.connect(metadata_dsn, application_name="test", connections=10)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
def stores(database: Database) -> Stores:
    return postgres_stores(database)


@pytest.fixture
def application(stores: Stores) -> Application:
    return Application(stores)
