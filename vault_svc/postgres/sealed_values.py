"""Sealed values in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.errors import ConflictError
from chassis.postgres import Database
from chassis.queries import in_one_text, load_queries
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.keyring import DataKeyState, StaleDataKeyError, WrappedDataKey
from vault_svc.domain.sealing import SealedValue
from vault_svc.ports.values import Refusal, StoredValue, StoredValues, ValueKey

_BEFORE_ALL = ValueKey("", UUID(int=0))


@dataclass(frozen=True, slots=True)
class _Queries:
    insert_value: str
    read_values: str
    erase_values: str
    erase_refused: str
    mark_claimed: str
    page_of_unclaimed: str
    page_of_all: str


class PostgresSealedValueStore:
    """See ports.SealedValueStore."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load_queries(_Queries, "vault_svc.postgres", "sealed_values.sql")

    async def insert(self, key: ValueKey, sealed: SealedValue, stored_at: datetime) -> None:
        try:
            done = await self._database.execute(
                self._sql.insert_value,
                key.namespace,
                key.value_id,
                sealed.data_key_id,
                sealed.wrapped_value_key,
                sealed.sealed_value,
                stored_at,
            )
        except asyncpg.UniqueViolationError:
            raise ConflictError("there is a value of this id already") from None
        if done == "INSERT 0 0":
            raise StaleDataKeyError

    async def read(self, keys: Sequence[ValueKey], *, maximum_bytes: int) -> StoredValues:
        rows = await self._database.fetch(
            self._sql.read_values,
            in_one_text([namespace for namespace, _ in keys]),
            in_one_text([value_id.hex for _, value_id in keys]),
            maximum_bytes,
        )
        total_bytes = rows[0]["total_bytes"] if rows else 0
        if total_bytes > maximum_bytes:
            return StoredValues(total_bytes, {})
        return StoredValues(total_bytes, _values_from_rows(keys, rows))

    async def erase(self, keys: Sequence[ValueKey]) -> int:
        done = await self._database.execute(self._sql.erase_values, *_columns(keys))
        return int(done.removeprefix("DELETE "))

    async def erase_refused(self, keys: Sequence[ValueKey]) -> Refusal:
        rows = await self._database.fetch(self._sql.erase_refused, *_columns(keys))
        kept = [row for row in rows if row["claimed_at"] is not None]
        return Refusal(
            erased_count=len(rows) - len(kept),
            contradicted=tuple(ValueKey(row["namespace"], row["value_id"]) for row in kept),
        )

    async def mark_claimed(self, keys: Sequence[ValueKey], claimed_at: datetime) -> None:
        await self._database.execute(self._sql.mark_claimed, *_columns(keys), claimed_at)

    async def unclaimed(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        rows = await self._database.fetch(
            self._sql.page_of_unclaimed, stored_before, *(after or _BEFORE_ALL), limit
        )
        return tuple(ValueKey(row["namespace"], row["value_id"]) for row in rows)

    async def all_values(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        rows = await self._database.fetch(
            self._sql.page_of_all, stored_before, *(after or _BEFORE_ALL), limit
        )
        return tuple(ValueKey(row["namespace"], row["value_id"]) for row in rows)


def _columns(keys: Sequence[ValueKey]) -> tuple[list[str], list[UUID]]:
    return [key.namespace for key in keys], [key.value_id for key in keys]


def _values_from_rows(
    keys: Sequence[ValueKey], rows: Sequence[asyncpg.Record]
) -> dict[ValueKey, StoredValue]:
    """By position, for each row is a decrypt's wait: the place in keys, then a SealedValue."""
    data_keys: dict[tuple[str, UUID], WrappedDataKey] = {}
    values: dict[ValueKey, StoredValue] = {}
    for row in rows:
        key = keys[row[0]]
        data_key_id = key.namespace, row[1]
        data_key = data_keys.get(data_key_id)
        if data_key is None:
            data_keys[data_key_id] = data_key = data_key_from_row(key.namespace, row)
        values[key] = StoredValue(SealedValue._make(row[1:4]), data_key)
    return values


def data_key_from_row(namespace: str, row: asyncpg.Record) -> WrappedDataKey:
    """The data key in a row that holds its columns."""
    return WrappedDataKey(
        namespace=namespace,
        data_key_id=row["data_key_id"],
        kek_id=row["kek_id"],
        state=DataKeyState(row["state"]),
        wrapped_key=row["wrapped_key"],
        purpose=KeyPurpose(row["purpose"]),
    )
