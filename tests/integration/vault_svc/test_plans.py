"""How the vault's database looks values up, whatever it knows of its tables."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from chassis.postgres import Connection, Database
from tests.contracts.vault_svc.builders import LATER, an_active_key
from tests.integration.explaining import explained, explained_as_planned_before, plans_made
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore

ROWS = 5_000
ASKED = 10


async def test_values_are_looked_up_one_by_one_by_a_plan_made_when_there_was_none(
    database: Database, values: PostgresSealedValueStore, keys: PostgresDataKeyStore
) -> None:
    key = await an_active_key(keys)
    namespace, ids = key.namespace, [uuid4() for _ in range(ROWS)]
    texts = " ".join(str(value_id) for value_id in ids[:ASKED])

    async def look_up(connection: Connection) -> None:
        work = await explained_as_planned_before(
            connection,
            values._sql.read_values.rstrip().rstrip(";"),
            (" ".join([namespace] * ASKED), texts, 1_000_000),
            lambda: _fill(connection, namespace, key.data_key_id, ids),
        )
        assert work.indexes == {"sealed_values_pkey", "data_keys_pkey"}
        assert work.rows <= 2 * ASKED

    await database.transact(look_up)


async def test_one_value_is_looked_up_again_and_again_by_one_plan(
    database: Database, values: PostgresSealedValueStore
) -> None:
    async def look_up(connection: Connection) -> None:
        arguments = ("default", str(uuid4()), 1_000_000)
        assert await plans_made(connection, values._sql.read_values, arguments) < 10

    await database.transact(look_up)


async def test_due_values_are_found_without_passing_those_that_are_not(
    database: Database, values: PostgresSealedValueStore, keys: PostgresDataKeyStore
) -> None:
    key = await an_active_key(keys)

    async def find(connection: Connection) -> None:
        ids = [uuid4() for _ in range(ROWS)]
        await _fill(connection, key.namespace, key.data_key_id, ids)
        await connection.execute(
            "UPDATE sealed_values SET erase_at = $1 WHERE value_id = ANY($2)",
            LATER,
            ids[:ASKED],
        )
        await connection.execute("ANALYZE sealed_values")
        work = await explained(
            connection,
            values._sql.page_of_due.rstrip().rstrip(";"),
            (LATER, datetime.min.replace(tzinfo=UTC), "", UUID(int=0), ROWS),
        )
        assert work.indexes == {"sealed_values_due"}
        assert work.rows <= 2 * ASKED

    await database.transact(find)


async def _fill(
    connection: Connection, namespace: str, data_key_id: UUID, ids: list[UUID]
) -> None:
    await connection.copy_records_to_table(
        "sealed_values",
        records=[(namespace, value_id, data_key_id, b"w", b"s", LATER) for value_id in ids],
        columns=(
            *("namespace", "value_id", "data_key_id"),
            *("wrapped_value_key", "sealed_value", "stored_at"),
        ),
    )
