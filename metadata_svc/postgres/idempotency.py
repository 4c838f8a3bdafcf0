"""Idempotency keys. See ports.IdempotencyReader and ports.IdempotencyStore."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from chassis.errors import UnavailableError
from chassis.postgres import Connection, Database
from chassis.queries import load_queries
from metadata_svc.domain.idempotency import Fingerprint, IdempotencyKey, RecordedCreate
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.resource import Kind
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.postgres.rows import (
    DAMAGE,
    DAMAGED_OUTCOME,
    keeper_from_json,
    note_damaged_outcome,
    resource_to_json,
    secure_value_from_json,
)


@dataclass(frozen=True, slots=True)
class IdempotencyQueries:
    """The statements of idempotency.sql."""

    take: str
    find: str
    record: str
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
        self, key: IdempotencyKey, fingerprint: Fingerprint, *, younger_than: timedelta
    ) -> RecordedCreate | None:
        asked = (*_columns(key), younger_than)
        namespace, _, *rest = asked
        by_subject, by_principal = fingerprint.of_subject, fingerprint.of_principal or None
        # Two rows of equal subjects never have equal fingerprints, whatever was sent.
        places = (
            (_subject_digest(key), by_subject),
            (_principal_digest(key), by_principal or by_subject),
        )
        for digest, stored in places:
            taken = await self.connection.fetchval(
                self.queries.take, namespace, digest, *rest, stored, by_principal
            )
            if taken is not None:
                return None
            # A statement of its own: it sees what whoever held up the first has committed.
            row = await self.connection.fetchrow(self.queries.find, *asked)
            if row is not None:
                return _recorded_from_row(row)
        raise LookupError("an idempotency key that is taken has no row")

    async def record(self, key: IdempotencyKey, outcome: SecureValue | Keeper) -> None:
        await self.connection.execute(
            self.queries.record, *_columns(key), outcome.kind.value, resource_to_json(outcome)
        )

    async def trim(self, *, minimum_age: timedelta, limit: int) -> int:
        tag = await self.connection.execute(self.queries.trim, minimum_age, limit)
        return int(tag.rpartition(" ")[2])


def _columns(key: IdempotencyKey) -> tuple[str, bytes, str, bytes, str]:
    """What every statement of a key starts with."""
    digests = _subject_digest(key), _principal_digest(key)
    return key.namespace, digests[0], key.key, digests[1], key.by.issuer


def _subject_digest(key: IdempotencyKey) -> bytes:
    return hashlib.sha256(key.by.subject.encode()).digest()


def _principal_digest(key: IdempotencyKey) -> bytes:
    """Different for different pairs, and no digest of a subject, which never has a NUL."""
    issuer = key.by.issuer.encode()
    pair = b"\0%d\0%b%b" % (len(issuer), issuer, key.by.subject.encode())
    return hashlib.sha256(pair).digest()


def _recorded_from_row(row: asyncpg.Record) -> RecordedCreate:
    if row["outcome"] is None:
        raise LookupError("an idempotency key that is taken has no outcome")
    return RecordedCreate(
        fingerprint=Fingerprint(row["fingerprint"], row["issuer_fingerprint"] or b""),
        outcome=_outcome(row),
        issuer=row["issuer"],
    )


def _outcome(row: asyncpg.Record) -> SecureValue | Keeper:
    """Raises UnavailableError if it is damaged."""
    try:
        if Kind(row["kind"]) is Kind.KEEPER:
            return keeper_from_json(row["outcome"])
        return secure_value_from_json(row["outcome"])
    except DAMAGE as error:
        note_damaged_outcome(error)
        raise UnavailableError(f"{DAMAGED_OUTCOME}; choose another idempotency key") from None
