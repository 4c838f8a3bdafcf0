"""Sealed values in Postgres."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from chassis.errors import ConflictError
from chassis.postgres import Database
from chassis.queries import in_one_text, load_queries
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.keyring import DataKeyState, StaleDataKeyError, WrappedDataKey
from vault_svc.domain.sealing import SealedValue
from vault_svc.ports.values import (
    DueValue,
    Refusal,
    Scheduling,
    StoredRow,
    StoredValue,
    StoredValues,
    ValueKey,
)

_BEFORE_ALL = ValueKey("", UUID(int=0))
_BEFORE_ALL_DUE = DueValue(datetime.min.replace(tzinfo=UTC), _BEFORE_ALL)


@dataclass(frozen=True, slots=True)
class _Queries:
    insert_value: str
    read_values: str
    schedule: str
    schedule_refused: str
    mark_claimed: str
    mark_failed: str
    erase_due: str
    page_of_due: str
    page_of_unclaimed: str
    page_of_all: str
    page_of_rows: str


class PostgresSealedValueStore:
    """See ports.SealedValueStore."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load_queries(_Queries, "vault_svc.postgres", "sealed_values.sql")

    async def insert(self, key: ValueKey, sealed: SealedValue, stored_at: datetime) -> None:
        try:
            done = await self._database.write(
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

    async def schedule(
        self, keys: Sequence[ValueKey], *, heard_at: datetime, erase_at: datetime
    ) -> Scheduling:
        rows = await self._database.write_rows(
            self._sql.schedule, *_columns(keys), heard_at, erase_at
        )
        there = set(map(_key_from_row, rows))
        return Scheduling(
            scheduled_count=sum(row["scheduled"] for row in rows),
            absent=tuple(key for key in keys if key not in there),
        )

    async def schedule_refused(
        self, keys: Sequence[ValueKey], *, erase_at: datetime, failed_erase_at: datetime
    ) -> Refusal:
        rows = await self._database.write_rows(
            self._sql.schedule_refused, *_columns(keys), erase_at, failed_erase_at
        )
        claimed = [row for row in rows if row["claimed"]]
        waiting = [row for row in rows if row["waits"] and not row["claimed"]]
        return Refusal(
            scheduled_count=len(rows) - len(claimed) - len(waiting),
            contradicted=tuple(map(_key_from_row, claimed)),
        )

    async def mark_claimed(self, keys: Sequence[ValueKey], claimed_at: datetime) -> None:
        await self._database.write(self._sql.mark_claimed, *_columns(keys), claimed_at)

    async def mark_failed(self, key: ValueKey, failed_at: datetime) -> None:
        await self._database.write(self._sql.mark_failed, *key, failed_at)

    async def due(
        self, *, now: datetime, after: DueValue | None, limit: int
    ) -> tuple[DueValue, ...]:
        erase_at, key = after or _BEFORE_ALL_DUE
        rows = await self._database.fetch(self._sql.page_of_due, now, erase_at, *key, limit)
        return tuple(DueValue(row["due_at"], _key_from_row(row)) for row in rows)

    async def erase_due(
        self, keys: Sequence[ValueKey], *, now: datetime
    ) -> tuple[ValueKey, ...]:
        rows = await self._database.write_rows(self._sql.erase_due, *_columns(keys), now)
        return tuple(map(_key_from_row, rows))

    async def unclaimed(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        rows = await self._database.fetch(
            self._sql.page_of_unclaimed, stored_before, *(after or _BEFORE_ALL), limit
        )
        return tuple(map(_key_from_row, rows))

    async def everything(
        self, *, after: ValueKey | None, limit: int, maximum_bytes: int
    ) -> tuple[StoredRow, ...]:
        rows = await self._database.fetch(
            self._sql.page_of_rows, *(after or _BEFORE_ALL), limit, maximum_bytes
        )
        return tuple(map(_row_from_row, rows))

    async def all_values(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        rows = await self._database.fetch(
            self._sql.page_of_all, stored_before, *(after or _BEFORE_ALL), limit
        )
        return tuple(map(_key_from_row, rows))


def _row_from_row(row: asyncpg.Record) -> StoredRow:
    sealed = SealedValue(row["data_key_id"], row["wrapped_value_key"], row["sealed_value"])
    data_key = None
    if row["state"] is not None:
        with suppress(ValueError):  # a state or purpose that is none
            data_key = data_key_from_row(row["namespace"], row)
    return StoredRow(
        _key_from_row(row), sealed, row["size_bytes"], row["awaits_erasure"], data_key
    )


def _key_from_row(row: asyncpg.Record) -> ValueKey:
    return ValueKey(row["namespace"], row["value_id"])


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
