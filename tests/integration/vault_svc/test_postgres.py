"""The Postgres stores keep their ports' promises, and what only a database can show."""

import asyncio
import json
from dataclasses import fields
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from chassis.errors import FailedPreconditionError, UnavailableError
from chassis.postgres import Connection, Database
from chassis.sensitive import Sensitive
from tests.contracts.vault_svc.builders import (
    LATER,
    RULE,
    START,
    a_sealed_value,
    a_value_key,
    an_active_key,
)
from tests.contracts.vault_svc.data_key_store import DataKeyStoreContract
from tests.contracts.vault_svc.fingerprint_key_store import (
    FingerprintKeyStoreContract,
    a_fingerprint_key,
)
from tests.contracts.vault_svc.sealed_value_store import SealedValueStoreContract
from vault_svc.domain.keyring import DataKeyState, StaleDataKeyError
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.fingerprint_keys import PostgresFingerprintKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore


class TestPostgresSealedValueStore(SealedValueStoreContract):
    pass


class TestPostgresDataKeyStore(DataKeyStoreContract):
    pass


class TestPostgresFingerprintKeyStore(FingerprintKeyStoreContract):
    pass


async def test_every_statement_fits_the_schema(
    database: Database,
    values: PostgresSealedValueStore,
    keys: PostgresDataKeyStore,
    fingerprint_keys: PostgresFingerprintKeyStore,
) -> None:
    async def prepare(connection: Connection) -> None:
        for queries in (values._sql, keys._sql, fingerprint_keys._sql):
            for field in fields(queries):
                await connection.prepare(getattr(queries, field.name))

    await database.transact(prepare)


async def test_an_insert_waits_for_whoever_disables_its_key_and_then_fails(
    database: Database, values: PostgresSealedValueStore, keys: PostgresDataKeyStore
) -> None:
    key = await an_active_key(keys)
    locked, finish = asyncio.Event(), asyncio.Event()

    async def disable(connection: Connection) -> None:
        await connection.execute(
            "UPDATE data_keys SET state = 'disabled' WHERE data_key_id = $1", key.data_key_id
        )
        locked.set()
        await finish.wait()

    disabling = asyncio.create_task(database.transact(disable))
    await locked.wait()
    inserting = asyncio.create_task(
        values.insert(a_value_key(), a_sealed_value(key.data_key_id), START)
    )
    await until_someone_waits_for_a_lock(database, or_done=inserting)
    finish.set()

    await disabling
    with pytest.raises(StaleDataKeyError):
        await inserting


async def test_a_destroy_waits_for_whoever_stores_under_its_key_and_then_counts_it(
    database: Database, keys: PostgresDataKeyStore
) -> None:
    key = await an_active_key(keys)
    await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)
    stored, finish = asyncio.Event(), asyncio.Event()

    async def store(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO sealed_values VALUES ('team-a', gen_random_uuid(), $1, 'w', 's', $2)",
            key.data_key_id,
            START,
        )
        stored.set()
        await finish.wait()

    storing = asyncio.create_task(database.transact(store))
    await stored.wait()
    destroying = asyncio.create_task(keys.destroy("team-a", key.data_key_id))
    await until_someone_waits_for_a_lock(database, or_done=destroying)
    finish.set()

    await storing
    with pytest.raises(FailedPreconditionError):
        await destroying
    kept = await keys.read("team-a", key.data_key_id)
    assert kept.key.wrapped_key == key.wrapped_key


async def test_the_database_itself_refuses_a_second_active_key(
    database: Database, keys: PostgresDataKeyStore
) -> None:
    first = await an_active_key(keys)
    await keys.move("team-a", first.data_key_id, DataKeyState.RETIRED)
    await an_active_key(keys)

    with pytest.raises(Exception, match="data_keys_active"):
        await database.execute("UPDATE data_keys SET state = 'active'")


async def test_the_database_itself_refuses_a_second_fingerprint_key_and_an_active_one(
    database: Database, fingerprint_keys: PostgresFingerprintKeyStore
) -> None:
    await fingerprint_keys.keep(a_fingerprint_key(), START)

    with pytest.raises(Exception, match="data_keys_fingerprint"):
        await database.execute(
            "INSERT INTO data_keys SELECT namespace, gen_random_uuid(), kek_id, state, "
            "wrapped_key, created_at, 0, purpose FROM data_keys"
        )
    with pytest.raises(Exception, match="data_keys_active_seals"):
        await database.execute("UPDATE data_keys SET state = 'active'")


async def test_a_page_is_read_by_index_however_far_along(
    database: Database, values: PostgresSealedValueStore, keys: PostgresDataKeyStore
) -> None:
    key = await an_active_key(keys)
    await database.execute(
        "INSERT INTO sealed_values SELECT 'team-a', gen_random_uuid(), $1, 'w', 's', $2, $2 "
        "FROM generate_series(1, 20000)",
        key.data_key_id,
        START,
    )
    await database.execute("ANALYZE sealed_values")

    costs = [
        await rows_and_buffers(database, values._sql.page_of_all, UUID(int=position << 120))
        for position in (1, 128, 250)
    ]

    assert {rows for rows, _ in costs} == {100}
    assert max(buffers for _, buffers in costs) < 250


IMPOSSIBLE_TIMES = ("-infinity", "4000-01-01 BC", "200000-01-01", "infinity")


@pytest.mark.parametrize("time", IMPOSSIBLE_TIMES)
async def test_a_time_of_erasure_that_nobody_wrote_hides_no_other_value(
    database: Database, values: PostgresSealedValueStore, keys: PostgresDataKeyStore, time: str
) -> None:
    data_key = await an_active_key(keys)
    odd, due = sorted((a_value_key(), a_value_key()))
    for key in (odd, due):
        await values.insert(key, a_sealed_value(data_key.data_key_id), START)
    await values.schedule([due], heard_at=START, erase_at=START)
    await database.write(
        "UPDATE sealed_values SET erase_at = $2::text::timestamptz WHERE value_id = $1",
        odd.value_id,
        time,
    )

    pages, after = [], None
    while page := await values.due(now=LATER, after=after, limit=1):
        after = page[-1]
        pages.append(after.key)
    everything = await values.everything(after=None, limit=10, maximum_bytes=1000)
    refusal = await values.schedule_refused([odd], erase_at=LATER, failed_erase_at=LATER)

    assert pages == ([odd, due] if time in IMPOSSIBLE_TIMES[:2] else [due])
    assert [(row.key, row.awaits_erasure) for row in everything] == [(odd, True), (due, True)]
    assert refusal.scheduled_count == 0


async def test_a_store_whose_database_is_gone_is_unavailable(
    vault_dsn: Sensitive[str], vault_server_dsn: Sensitive[str]
) -> None:
    lost = await Database.connect(vault_dsn, application_name="lost", connections=2)
    admin = await Database.connect(vault_server_dsn, application_name="admin", connections=1)
    try:
        name = urlsplit(vault_dsn.reveal()).path.removeprefix("/")
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )

        with pytest.raises(UnavailableError):
            await PostgresDataKeyStore(lost).reserve_wraps("team-a", RULE, LATER)

        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert await PostgresDataKeyStore(lost).reserve_wraps("team-a", RULE, LATER) is None
    finally:
        await lost.close()
        await admin.close()


async def until_someone_waits_for_a_lock(
    database: Database, *, or_done: asyncio.Task[None]
) -> None:
    waiting = (
        "SELECT count(*) AS n FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while not or_done.done() and (await database.fetch(waiting))[0]["n"] == 0:
        continue  # each look is a round trip to the server


async def rows_and_buffers(database: Database, query: str, after: UUID) -> tuple[int, int]:
    explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "

    async def run(connection: Connection) -> tuple[int, int]:
        await connection.set_type_codec(
            "json", encoder=str, decoder=json.loads, schema="pg_catalog"
        )
        plan = await connection.fetchval(explain + query, LATER, "team-a", after, 100)
        top = plan[0]["Plan"]
        return top["Actual Rows"], top["Shared Hit Blocks"] + top["Shared Read Blocks"]

    return await database.transact(run)
