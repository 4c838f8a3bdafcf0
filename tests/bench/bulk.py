"""Many secrets that can really be decrypted, made in minutes and not in hours.

The first is created through the vault, so that the stack makes its data key itself. The others
are sealed here by the vault's own code under that key, which the KEK file opens, and copied
into both databases as both services would have written them. Whether they open is asked of the
services (tests/bench/check.py).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg

from chassis.clock import SystemClock
from chassis.grpc_client import call, open_channel
from chassis.postgres import Connection, Database
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from protos.splitkeep.vault.v1.secure_values_pb2 import CreateSecureValueRequest
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub
from tests.bench.seed import ADVANCE, TABLES, VALUE_CHARACTERS, Row, secret_name, value_of
from tests.bench.under_test import DECRYPTER, NAMESPACE, StackUnderTest
from vault_svc.domain.envelope import ValueContext
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.domain.sealing import DataKey, SealedValue, seal_value
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.postgres.data_keys import PostgresDataKeyStore

CHUNK = 10_000
DEADLINE_SECONDS = 10
VACUUM_SECONDS = 120
DESCRIPTION = "seed"
SEALED = "sealed_values"
COLUMNS = TABLES | {
    SEALED: (
        *("namespace", "value_id", "data_key_id", "wrapped_value_key", "sealed_value"),
        *("stored_at", "claimed_at"),
    )
}

Rows = Mapping[str, Sequence[Row]]  # by table


async def seed_secrets(stack: StackUnderTest, count: int) -> None:
    """So many names have values of their own; the planners know it.

    Raises the KnownErrors of a create, RuntimeError if the stack made no data key.
    """
    await _create_first(stack)
    data_key = await _data_key(stack, count)
    async with (
        _connections(stack.metadata_dsn, 2) as metadata,
        _connections(stack.vault_dsn, 1) as (vault,),
    ):
        last = await metadata[0].fetchval(ADVANCE, NAMESPACE, count)
        parts = [range(start, min(start + CHUNK, count)) for start in range(1, count, CHUNK)]
        async for rows in _made_ahead(parts, last - count, data_key):
            await asyncio.gather(_copy_metadata(metadata, rows), _copy(vault, SEALED, rows))
        for connection in (metadata[0], vault):
            await connection.execute("VACUUM (ANALYZE)", timeout=VACUUM_SECONDS)


async def _create_first(stack: StackUnderTest) -> None:
    name = secret_name(0)
    draft = SecureValueDraft(
        namespace=NAMESPACE, name=name, description=DESCRIPTION, decrypters=[DECRYPTER]
    )
    request = CreateSecureValueRequest(draft=draft, value=value_of(name).encode())
    async with open_channel(stack.vault, ca=stack.ca) as channel:
        create = SecureValuesStub(channel).CreateSecureValue
        await call(create, request, deadline_seconds=DEADLINE_SECONDS, token=stack.writer)


async def _data_key(stack: StackUnderTest, wraps: int) -> DataKey:
    """The namespace's own, with so many of its wraps reserved. Raises RuntimeError."""
    database = await Database.connect(stack.vault_dsn, application_name="seed", connections=1)
    try:
        wrapped = await PostgresDataKeyStore(database).reserve_wraps(
            NAMESPACE, ReplacementRule(wraps_per_reservation=wraps), SystemClock().now()
        )
    finally:
        await database.close()
    if wrapped is None:
        raise RuntimeError("the stack has made no data key")
    kek = load_keks(stack.state.kek_file, secrets.token_bytes).named(wrapped.kek_id)
    key = await kek.unwrap(wrapped.wrapped_key, wrapped.context)
    return DataKey.of(wrapped.namespace, wrapped.data_key_id, key)


@asynccontextmanager
async def _connections(dsn: Sensitive[str], count: int) -> AsyncIterator[list[Connection]]:
    opened = [await asyncpg.connect(dsn.reveal()) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            await connection.close()


async def _made_ahead(
    parts: Sequence[range], version: int, data_key: DataKey
) -> AsyncIterator[Rows]:
    """Each part is made while the one before is copied: both take as long."""

    def begun(part: range | None) -> asyncio.Task[Rows] | None:
        if part is None:
            return None
        return asyncio.create_task(asyncio.to_thread(_made, part, version, data_key))

    following = iter(parts)
    making = begun(next(following, None))
    while making is not None:
        rows = await making
        making = begun(next(following, None))
        yield rows


def _made(numbers: range, version: int, data_key: DataKey) -> Rows:
    """What both services would have written, the values known to be claimed."""
    names = [secret_name(number) for number in numbers]
    value_ids = [uuid4() for _ in names]
    now = SystemClock().now()
    made = (now, "user:load")
    same = ("system", DESCRIPTION, [DECRYPTER], "{}", "{}", *made, *made, VALUE_CHARACTERS)
    pairs = list(zip(names, value_ids, strict=True))
    return {
        "value_ids": [(NAMESPACE, value_id, "claimed") for value_id in value_ids],
        "names": [(NAMESPACE, name, 1) for name in names],
        "secure_values": [
            (NAMESPACE, name, uuid4(), version + number, 1, 1, value_id, *same)
            for number, (name, value_id) in zip(numbers, pairs, strict=True)
        ],
        "secure_value_decrypters": [(NAMESPACE, DECRYPTER, name) for name in names],
        SEALED: [
            (NAMESPACE, value_id, *_sealed(name, value_id, data_key), now, now)
            for name, value_id in pairs
        ],
    }


def _sealed(name: str, value_id: UUID, data_key: DataKey) -> SealedValue:
    context = ValueContext(NAMESPACE, name, value_id)
    value = Sensitive(value_of(name).encode())
    return seal_value(value, context, data_key, random=secrets.token_bytes)


async def _copy_metadata(connections: Sequence[Connection], rows: Rows) -> None:
    """A row points to its value id, which goes first."""

    async def copy_in_order(connection: Connection, *tables: str) -> None:
        for table in tables:
            await _copy(connection, table, rows)

    await asyncio.gather(
        copy_in_order(connections[0], "value_ids", "secure_values"),
        copy_in_order(connections[1], "names", "secure_value_decrypters"),
    )


async def _copy(connection: Connection, table: str, rows: Rows) -> None:
    await connection.copy_records_to_table(table, records=rows[table], columns=COLUMNS[table])
