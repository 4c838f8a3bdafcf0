"""A database of the first schema, with what was in it, is upgraded and read."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.migrations import read_migrations
from chassis.postgres import Connection, Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.value_id import ValueKey
from metadata_svc.postgres.rows import resource_to_json
from metadata_svc.use_cases.lists import ListRequest
from tests.contracts.metadata_svc.application import Application, described
from tests.fakes.metadata_svc.builders import NAMESPACE, a_caller, a_draft, a_secure_value
from tests.integration.metadata_svc.conftest import postgres_stores

FIRST, *LATER = read_migrations("metadata_svc.postgres.migrations")
LIVE = a_secure_value(uid=UUID(int=1), value_id=UUID(int=2))
CLAIMED = """
INSERT INTO value_ids (namespace, value_id, state, outcome)
VALUES ($1, $2, 'claimed', $3::jsonb - 'field_owners')
"""
INSERT = """
INSERT INTO secure_values (namespace, name, uid, resource_version, generation, version,
    value_id, keeper, description, decrypters, labels, annotations, created_at, created_by,
    updated_at, updated_by, size_bytes)
VALUES ($1, $2, $3, 1, 1, 1, $4, 'system', $5, $6, '{"team": "platform"}',
    '{"example.com/note": "kept"}', $7, 'user:u1', $7, 'user:u1', 300)
"""
CHANGED = """
INSERT INTO changes (namespace, resource_version, kind, name, uid, type, object)
VALUES ($1, 1, 'SecureValue', $2, $3, 'ADDED', $4::jsonb - 'field_owners')
"""
COUNTED = "INSERT INTO counters (namespace, value) VALUES ($1, 1)"
NAMED = "INSERT INTO names (namespace, name, last_version) VALUES ($1, $2, 1)"

# How the release before issuers were recorded writes a row, and with it its author.
EARLIER_EDIT = """
UPDATE secure_values SET resource_version = resource_version + 1, updated_by = 'user:u2'
WHERE namespace = $1 AND name = $2
"""


@pytest.fixture
async def first_dsn(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    """A database of the first schema, in which one secure value is live."""
    name, server = f"test_{uuid4().hex}", metadata_server_dsn.reveal()
    administrator = await asyncpg.connect(server)
    await administrator.execute(f"CREATE DATABASE {name}")
    dsn = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    connection = await asyncpg.connect(dsn)
    await connection.execute(FIRST.sql)
    await _fill(connection)
    await connection.close()
    yield Sensitive(dsn)
    await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await administrator.close()


async def _fill(connection: Connection) -> None:
    stored = resource_to_json(LIVE)
    await connection.execute(CLAIMED, LIVE.namespace, LIVE.value_id, stored)
    await connection.execute(
        INSERT,
        LIVE.namespace,
        LIVE.name,
        LIVE.uid,
        LIVE.value_id,
        LIVE.description,
        LIVE.decrypters,
        LIVE.created_at,
    )
    await connection.execute(CHANGED, LIVE.namespace, LIVE.name, LIVE.uid, stored)
    await connection.execute(COUNTED, LIVE.namespace)
    await connection.execute(NAMED, LIVE.namespace, LIVE.name)


async def test_what_was_there_is_read_and_written_after_an_upgrade(
    first_dsn: Sensitive[str],
) -> None:
    upgrading = await asyncpg.connect(first_dsn.reveal())
    for migration in LATER:
        await upgrading.execute(migration.sql)
    await upgrading.close()
    database = await Database.connect(first_dsn, application_name="test", connections=2)
    try:
        application = Application(postgres_stores(database))
        key = ValueKey(NAMESPACE, LIVE.value_id)

        assert await application.get(LIVE.name) == LIVE
        recorded = await application.stores.transactions.run(lambda tx: tx.value_ids.claim(key))
        assert recorded is not None
        assert recorded.outcome == LIVE
        edited = await application.edit(described(a_draft(), "another"))
        assert (edited.resource_version, edited.description) == (2, "another")
    finally:
        await database.close()


async def test_an_author_that_the_earlier_release_wrote_has_no_issuer(
    first_dsn: Sensitive[str],
) -> None:
    upgrading = await asyncpg.connect(first_dsn.reveal())
    for migration in LATER:
        await upgrading.execute(migration.sql)
    await upgrading.close()
    database = await Database.connect(first_dsn, application_name="test", connections=2)
    try:
        application = Application(postgres_stores(database))
        edited = await application.edit(described(a_draft(), "another"))
        assert edited.updated_by_issuer == a_caller().issuer
        assert edited == await application.get(LIVE.name)

        await database.execute(EARLIER_EDIT, LIVE.namespace, LIVE.name)

        found = await application.get(LIVE.name)
        assert (found.updated_by, found.updated_by_issuer) == ("user:u2", "")
        page = await application.lists.page(a_caller(), ListRequest(namespace=NAMESPACE))
        assert page.items == (found,)
    finally:
        await database.close()
