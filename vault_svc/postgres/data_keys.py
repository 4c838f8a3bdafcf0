"""Wrapped data keys in Postgres."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.errors import FailedPreconditionError, NotFoundError
from chassis.postgres import Connection, Database
from chassis.queries import load_queries
from vault_svc.domain.keyring import (
    DataKeyState,
    ReplacementRule,
    WrappedDataKey,
    require_move,
)
from vault_svc.ports.data_keys import DataKeyRecord, KekUsage
from vault_svc.postgres.sealed_values import data_key_from_row


@dataclass(frozen=True, slots=True)
class _Queries:
    reserve_wraps: str
    retire_due: str
    insert_active: str
    read_key: str
    lock_key: str
    set_state: str
    count_values_under: str
    erase_key: str
    samples_per_kek: str
    kek_usage: str


class PostgresDataKeyStore:
    """See ports.DataKeyStore."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load_queries(_Queries, "vault_svc.postgres", "data_keys.sql")

    async def reserve_wraps(
        self, namespace: str, rule: ReplacementRule, now: datetime
    ) -> WrappedDataKey | None:
        rows = await self._database.write_rows(
            self._sql.reserve_wraps,
            namespace,
            rule.wraps_per_reservation,
            rule.reservable_below,
            rule.created_after(now),
        )
        return data_key_from_row(namespace, rows[0]) if rows else None

    async def activate(self, key: WrappedDataKey, rule: ReplacementRule, now: datetime) -> bool:
        async def replace(connection: Connection) -> str:
            await connection.execute(
                self._sql.retire_due,
                key.namespace,
                rule.reservable_below,
                rule.created_after(now),
            )
            return await connection.execute(
                self._sql.insert_active,
                key.namespace,
                key.data_key_id,
                key.kek_id,
                key.wrapped_key,
                now,
            )

        return await self._database.transact(replace) == "INSERT 0 1"

    async def read(self, namespace: str, data_key_id: UUID) -> DataKeyRecord:
        row = await self._database.fetchrow(self._sql.read_key, namespace, data_key_id)
        if row is None:
            raise NotFoundError("there is no such data key")
        return DataKeyRecord(
            data_key_from_row(namespace, row), row["created_at"], row["wraps_reserved"]
        )

    async def move(self, namespace: str, data_key_id: UUID, target: DataKeyState) -> None:
        async def move(connection: Connection) -> None:
            await self._lock(connection, namespace, data_key_id, target)
            try:
                await connection.execute(
                    self._sql.set_state, namespace, data_key_id, target.value
                )
            except asyncpg.UniqueViolationError:
                raise FailedPreconditionError("another key has taken its place") from None

        await self._database.transact(move)

    async def destroy(self, namespace: str, data_key_id: UUID) -> None:
        async def destroy(connection: Connection) -> None:
            await self._lock(connection, namespace, data_key_id, DataKeyState.DESTROYED)
            # A statement of its own: its snapshot holds whatever was stored before the lock.
            if await connection.fetchval(self._sql.count_values_under, namespace, data_key_id):
                raise FailedPreconditionError("values lie under the data key")
            await connection.execute(self._sql.erase_key, namespace, data_key_id)

        await self._database.transact(destroy)

    async def samples_per_kek(self, limit: int) -> tuple[WrappedDataKey, ...]:
        rows = await self._database.fetch(self._sql.samples_per_kek, limit)
        return tuple(data_key_from_row(row["namespace"], row) for row in rows)

    async def kek_usage(self, kek_ids: Collection[str]) -> Mapping[str, KekUsage]:
        rows = await self._database.fetch(self._sql.kek_usage, list(kek_ids))
        return {
            row["kek_id"]: KekUsage(row["data_key_count"], row["namespace_count"])
            for row in rows
        }

    async def _lock(
        self, connection: Connection, namespace: str, data_key_id: UUID, target: DataKeyState
    ) -> None:
        row = await connection.fetchrow(self._sql.lock_key, namespace, data_key_id)
        if row is None:
            raise NotFoundError("there is no such data key")
        require_move(DataKeyState(row["state"]), target)
