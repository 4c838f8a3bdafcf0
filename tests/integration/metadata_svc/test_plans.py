"""How metadata's database looks names up, whatever it knows of its tables."""

from chassis.postgres import Connection, Database
from metadata_svc.postgres.reader import load_reader_queries
from tests.integration.explaining import explained_as_planned_before, plans_made

ROWS = 5_000
ASKED = 10
FILL = """
WITH ids AS (
    INSERT INTO value_ids (namespace, value_id, state)
    SELECT 'default', gen_random_uuid(), 'claimed' FROM generate_series(1, $1)
    RETURNING value_id
)
INSERT INTO secure_values (
    namespace, name, uid, resource_version, generation, version, value_id, keeper, description,
    decrypters, labels, annotations, created_at, created_by, updated_at, updated_by, size_bytes
)
SELECT
    'default', 'n' || row_number() OVER (), value_id, row_number() OVER (), 1, 1, value_id,
    'system', 'd', '{a}', '{}', '{}', now(), 'u', now(), 'u', 300
FROM ids
"""


async def test_names_are_looked_up_one_by_one_by_a_plan_made_when_there_was_none(
    database: Database,
) -> None:
    names = " ".join(f"n{number}" for number in range(1, ASKED + 1))

    async def look_up(connection: Connection) -> None:
        async def fill() -> None:
            await connection.execute(FILL, ROWS)

        work = await explained_as_planned_before(
            connection,
            load_reader_queries().locate,
            (" ".join(["default"] * ASKED), names),
            fill,
        )
        # By whichever index has the name in it: of an empty one every index seems as good.
        assert work.rows == ASKED
        assert work.buffers <= 10 * ASKED

    await database.transact(look_up)


async def test_one_name_is_looked_up_again_and_again_by_one_plan(database: Database) -> None:
    async def look_up(connection: Connection) -> None:
        assert (
            await plans_made(connection, load_reader_queries().locate, ("default", "n1")) < 10
        )

    await database.transact(look_up)
