"""The stores on a freshly migrated Postgres."""

from collections.abc import AsyncIterator

import pytest

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.postgres.stores import PostgresStores
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores

ADD_KEEPER = """
INSERT INTO keepers (namespace, name, uid, resource_version, generation, active, description,
    type, config, labels, annotations, created_at, created_by, updated_at, updated_by)
VALUES ($1, $2, gen_random_uuid(), 1, 1, $3, 'd', 'aws', '{}', '{}', '{}',
    now(), 'u', now(), 'u')
"""


def postgres_stores(database: Database) -> Stores:
    async def add_keeper(namespace: str, name: str, active: bool) -> None:  # noqa: FBT001  # as Stores says
        await database.execute(ADD_KEEPER, namespace, name, active)

    stores = PostgresStores.on(database)
    return Stores(stores.transactions, stores.reader, stores.keepers, add_keeper)


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
