"""Many secrets that can really be decrypted, made in minutes and not in hours.

The first is created through the vault, so that the stack makes its data key itself. The others
are sealed here by the vault's own code under that key, which the KEK file opens, and copied
into both databases as both services would have written them. Whether they open is asked of the
services (tests/bench/check.py).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from vault_svc.domain.sealing import DataKey, seal_value
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.postgres.data_keys import PostgresDataKeyStore

CHUNK = 10_000
DEADLINE_SECONDS = 10
VACUUM_SECONDS = 120
DESCRIPTION = "seed"
SEALED_COLUMNS = (
    *("namespace", "value_id", "data_key_id", "wrapped_value_key", "sealed_value"),
    *("stored_at", "claimed_at"),
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of the secrets: numbers, an id for each value, the first one's resource version."""

    numbers: range
    value_ids: Sequence[UUID]
    version: int

    @property
    def names(self) -> list[str]:
        return [secret_name(number) for number in self.numbers]


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
        for start in range(1, count, CHUNK):
            numbers = range(start, min(start + CHUNK, count))
            chunk = Chunk(numbers, [uuid4() for _ in numbers], last - count + start)
            await asyncio.gather(
                _copy_metadata(metadata, chunk), _copy_values(vault, chunk, data_key)
            )
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


async def _copy_metadata(connections: Sequence[Connection], chunk: Chunk) -> None:
    """As metadata writes them. A row points to its value id, which goes first."""
    of_rows, of_names = connections
    names, value_ids = chunk.names, chunk.value_ids

    async def rows() -> None:
        claimed = [(NAMESPACE, value_id, "claimed") for value_id in value_ids]
        await _copy(of_rows, "value_ids", claimed)
        await _copy(of_rows, "secure_values", _secure_values(chunk))

    async def beside() -> None:
        await _copy(of_names, "names", [(NAMESPACE, name, 1) for name in names])
        allowed = [(NAMESPACE, DECRYPTER, name) for name in names]
        await _copy(of_names, "secure_value_decrypters", allowed)

    await asyncio.gather(rows(), beside())


async def _copy(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=TABLES[table])


def _secure_values(chunk: Chunk) -> list[Row]:
    made = (SystemClock().now(), "user:load")
    same = ("system", DESCRIPTION, [DECRYPTER], "{}", "{}", *made, *made, VALUE_CHARACTERS)
    return [
        (NAMESPACE, name, uuid4(), version, 1, 1, value_id, *same)
        for version, (name, value_id) in enumerate(
            zip(chunk.names, chunk.value_ids, strict=True), chunk.version
        )
    ]


async def _copy_values(connection: Connection, chunk: Chunk, data_key: DataKey) -> None:
    """As the vault stores them, known to be claimed."""
    now = SystemClock().now()
    rows: list[Row] = []
    for name, value_id in zip(chunk.names, chunk.value_ids, strict=True):
        context = ValueContext(NAMESPACE, name, value_id)
        value = Sensitive(value_of(name).encode())
        sealed = seal_value(value, context, data_key, random=secrets.token_bytes)
        rows.append((NAMESPACE, value_id, *sealed, now, now))
    await connection.copy_records_to_table(
        "sealed_values", records=rows, columns=SEALED_COLUMNS
    )
