"""What is old is forgotten without a look at what is young, or a wait for who is at work."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from chassis.metrics import Metrics
from chassis.postgres import Connection, Database
from chassis.sensitive import Sensitive
from metadata_svc.assembly import assemble
from metadata_svc.postgres.history import load_history_queries
from metadata_svc.postgres.value_ids import load_value_id_queries
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import key_of
from tests.fakes.metadata_svc.builders import a_draft
from tests.integration.explaining import explained
from tests.integration.metadata_svc.holding import transaction_open
from tests.integration.metadata_svc.wire import Credentials

HOUR = timedelta(hours=1)
BATCH = 100
# So many that reading all of them is clearly dearer than a look-up of each old one.
YOUNG = 60_000
OLD = 2 * BATCH  # the statement runs twice
TRIMS = {
    "outcomes": load_value_id_queries().forget_outcomes,
    "history": load_history_queries().trim,
}
# Ids with and without an outcome, and changes; $1 how many, $2 how old.
SEED = (
    """
    INSERT INTO value_ids (namespace, value_id, state, outcome, decided_at)
    SELECT
        'default', gen_random_uuid(), 'claimed', CASE WHEN n % 2 = 0 THEN '{}'::jsonb END,
        clock_timestamp() - $2::interval
    FROM generate_series(1, 2 * $1::integer) AS n
    """,
    """
    INSERT INTO changes (
        namespace, resource_version, kind, name, uid, type, object, changed_at
    )
    SELECT
        'default', n + extract(epoch FROM $2::interval)::bigint * 1000000, 'SecureValue', 'n',
        gen_random_uuid(), 'ADDED', '{}', clock_timestamp() - $2::interval
    FROM generate_series(1, $1::integer) AS n
    """,
)
AGE = "UPDATE value_ids SET decided_at = decided_at - $2::interval WHERE value_id = $1"


@pytest.fixture
async def connection(metadata_dsn: Sensitive[str]) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(metadata_dsn.reveal())
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("trim", TRIMS.values(), ids=TRIMS)
async def test_a_trim_reads_what_it_forgets_and_nothing_young(
    connection: Connection, trim: str
) -> None:
    await _seed(connection, YOUNG, timedelta(0))
    nothing = await explained(connection, trim, (HOUR, BATCH))
    await _seed(connection, OLD, 2 * HOUR)
    batch = await explained(connection, trim, (HOUR, BATCH))

    assert nothing.rows == 0
    assert nothing.buffers < 10
    # Each is found by the index and then by its key.
    assert batch.rows == 2 * BATCH
    assert batch.buffers < 40 * BATCH


async def test_an_outcome_someone_is_at_work_on_is_left_for_the_next_time(
    application: Application, metadata_dsn: Sensitive[str]
) -> None:
    live = await application.create()
    await application.create(a_draft(name="other"))

    async with transaction_open(metadata_dsn) as someone:
        await someone.execute(AGE, live.value_id, HOUR)
        meanwhile = await application.outcomes.trim()

    assert (meanwhile, await application.outcomes.trim()) == (1, 1)


async def test_a_process_keeps_outcomes_for_as_long_as_it_is_configured_to(
    application: Application,
    database: Database,
    metadata_dsn: Sensitive[str],
    tmp_path: Path,
) -> None:
    outcomes = assemble(Credentials(tmp_path).config(metadata_dsn), database, Metrics()).trims[
        "outcomes"
    ]
    young, old = [await application.create(a_draft(name=name)) for name in ("young", "old")]
    await database.execute(AGE, young.value_id, 23 * HOUR)
    await database.execute(AGE, old.value_id, 24 * HOUR)

    assert await outcomes() == 1
    kept = await database.fetch("SELECT value_id FROM value_ids WHERE outcome IS NOT NULL")
    assert [row["value_id"] for row in kept] == [key_of(young).value_id]


async def _seed(connection: Connection, count: int, age: timedelta) -> None:
    for statement in SEED:
        await connection.execute(statement, count, age)
    await connection.execute("VACUUM ANALYZE value_ids, changes")
