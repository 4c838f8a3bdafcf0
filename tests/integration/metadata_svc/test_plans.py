"""How metadata's database looks names up, whatever it knows of its tables."""

from datetime import UTC, datetime
from uuid import UUID

from chassis.postgres import Connection, Database
from metadata_svc.postgres.reader import load_reader_queries
from metadata_svc.postgres.value_ids import load_value_id_queries
from tests.integration.explaining import explained, explained_as_planned_before, plans_made

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


RELEASED = """
INSERT INTO value_ids (namespace, value_id, state, released_at)
SELECT 'default', gen_random_uuid(), 'released', now() - make_interval(secs => number)
FROM generate_series(1, $1) AS number
"""


async def test_released_ids_are_read_on_from_a_place_without_passing_those_before_it(
    database: Database,
) -> None:
    async def read_on(connection: Connection) -> None:
        await connection.execute(RELEASED, ROWS)
        await connection.execute("ANALYZE value_ids")
        a_minute_ago = await connection.fetchval("SELECT now() - interval '60 seconds'")
        first = datetime(1970, 1, 1, tzinfo=UTC)
        for place, rows in ((a_minute_ago, 59), (first, ASKED)):
            limit = ASKED if place == first else ROWS
            work = await explained(
                connection,
                load_value_id_queries().released_since,
                (place, "default", UUID(int=2**128 - 1), limit),
            )
            assert work.rows <= rows
            assert work.indexes == {"value_ids_released_at"}

    await database.transact(read_on)
