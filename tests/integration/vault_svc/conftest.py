"""The vault's stores on real Postgres."""

from collections.abc import AsyncIterator

import pytest

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore


@pytest.fixture
async def database(vault_dsn: Sensitive[str]) -> AsyncIterator[Database]:
    database = await Database.connect(vault_dsn, application_name="test", connections=8)
    yield database
    await database.close()


@pytest.fixture
def values(database: Database) -> PostgresSealedValueStore:
    return PostgresSealedValueStore(database)


@pytest.fixture
def keys(database: Database) -> PostgresDataKeyStore:
    return PostgresDataKeyStore(database)
