"""Idempotency keys. See ports.IdempotencyReader and ports.IdempotencyStore."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from chassis.postgres import Connection, Database
from chassis.queries import load_queries
from metadata_svc.domain.idempotency import IdempotencyKey, RecordedCreate
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.resource import Kind
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.postgres.rows import (
    keeper_from_json,
    resource_to_json,
    secure_value_from_json,
)


@dataclass(frozen=True, slots=True)
class IdempotencyQueries:
    """The statements of idempotency.sql."""

    take: str
    read: str
    record: str
    find: str
    trim: str


def load_idempotency_queries() -> IdempotencyQueries:
    """The statements as the file has them."""
    return load_queries(IdempotencyQueries, "metadata_svc.postgres", "idempotency.sql")


@dataclass(frozen=True, slots=True)
class PostgresIdempotencyReader:
    """See ports.IdempotencyReader."""

    database: Database
    queries: IdempotencyQueries

    async def find(
        self, key: IdempotencyKey, *, younger_than: timedelta
    ) -> RecordedCreate | None:
        row = await self.database.fetchrow(self.queries.find, *_columns(key), younger_than)
        return None if row is None else _recorded_from_row(row)


@dataclass(frozen=True, slots=True)
class PostgresIdempotencyStore:
    """See ports.IdempotencyStore."""

    connection: Connection
    queries: IdempotencyQueries

    async def take(
        self, key: IdempotencyKey, fingerprint: bytes, *, younger_than: timedelta
    ) -> RecordedCreate | None:
        columns = _columns(key)
        taken = await self.connection.fetchval(
            self.queries.take, *columns, fingerprint, younger_than
        )
        if taken is not None:
            return None
        # A statement of its own: it sees what whoever held up the first has committed.
        row = await self.connection.fetchrow(self.queries.read, *columns)
        if row is None:
            raise LookupError("an idempotency key that is taken has no row")
        return _recorded_from_row(row)

    async def record(self, key: IdempotencyKey, outcome: SecureValue | Keeper) -> None:
        await self.connection.execute(
            self.queries.record, *_columns(key), outcome.kind.value, resource_to_json(outcome)
        )

    async def trim(self, *, minimum_age: timedelta, limit: int) -> int:
        tag = await self.connection.execute(self.queries.trim, minimum_age, limit)
        return int(tag.rpartition(" ")[2])


def _columns(key: IdempotencyKey) -> tuple[str, bytes, str]:
    return key.namespace, hashlib.sha256(key.subject.encode()).digest(), key.key


def _recorded_from_row(row: asyncpg.Record) -> RecordedCreate:
    if row["outcome"] is None:
        raise LookupError("an idempotency key that is taken has no outcome")
    if Kind(row["kind"]) is Kind.KEEPER:
        return RecordedCreate(row["fingerprint"], keeper_from_json(row["outcome"]))
    return RecordedCreate(row["fingerprint"], secure_value_from_json(row["outcome"]))
