"""Every statement fits the schema, and the schema refuses what must never be."""

import dataclasses
from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis.postgres import Connection
from chassis.sensitive import Sensitive
from metadata_svc.postgres.changes import load_change_queries
from metadata_svc.postgres.history import load_history_queries
from metadata_svc.postgres.idempotency import load_idempotency_queries
from metadata_svc.postgres.keepers import load_keeper_queries
from metadata_svc.postgres.pages import load_page_queries
from metadata_svc.postgres.reader import load_reader_queries
from metadata_svc.postgres.secure_values import load_secure_value_queries
from metadata_svc.postgres.value_ids import load_value_id_queries

LOADERS = (
    load_change_queries,
    load_history_queries,
    load_idempotency_queries,
    load_keeper_queries,
    load_page_queries,
    load_reader_queries,
    load_secure_value_queries,
    load_value_id_queries,
)
STATEMENTS = {
    f"{type(queries).__name__}.{name}": statement
    for queries in (load() for load in LOADERS)
    for name, statement in dataclasses.asdict(queries).items()
}


@pytest.fixture
async def connection(metadata_dsn: Sensitive[str]) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(metadata_dsn.reveal())
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
async def test_a_statement_fits_the_schema(connection: Connection, statement: str) -> None:
    await connection.prepare(statement)


async def test_a_second_active_keeper_is_refused(connection: Connection) -> None:
    insert = """
    INSERT INTO keepers (
        namespace, name, uid, resource_version, generation, active, description, type, config,
        labels, annotations, created_at, created_by, updated_at, updated_by
    )
    VALUES (
        'default', $1, gen_random_uuid(), 1, 1, true, 'd', 'aws', '{}',
        '{}', '{}', now(), 'u', now(), 'u'
    )
    """
    await connection.execute(insert, "one")

    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, "two")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(insert.replace("true", "false"), "system")
