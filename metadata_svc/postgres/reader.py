"""Committed secure values. See ports.Reader."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from chassis.postgres import Database
from chassis.queries import load_queries
from metadata_svc.domain.access import Location
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.postgres.rows import secure_value_from_row


@dataclass(frozen=True, slots=True)
class ReaderQueries:
    """The statements of reader.sql."""

    get: str
    locate: str
    last_version: str
    resource_version: str


def load_reader_queries() -> ReaderQueries:
    """The statements as the file has them."""
    return load_queries(ReaderQueries, "metadata_svc.postgres", "reader.sql")


@dataclass(frozen=True, slots=True)
class PostgresReader:
    """See ports.Reader."""

    database: Database
    queries: ReaderQueries

    async def get(self, namespace: str, name: str) -> SecureValue | None:
        row = await self.database.fetchrow(self.queries.get, namespace, name)
        return None if row is None else secure_value_from_row(row)

    async def locate(self, namespace: str, names: Sequence[str]) -> dict[str, Location]:
        rows = await self.database.fetch(self.queries.locate, namespace, names)
        return {row["name"]: _location_from_row(row) for row in rows}

    async def last_version(self, namespace: str, name: str) -> int:
        row = await self.database.fetchrow(self.queries.last_version, namespace, name)
        return 0 if row is None else row["last_version"]

    async def resource_version(self, namespace: str) -> int:
        row = await self.database.fetchrow(self.queries.resource_version, namespace)
        return 0 if row is None else row["value"]


def _location_from_row(row: asyncpg.Record) -> Location:
    return Location(
        name=row["name"],
        keeper=row["keeper"],
        value_id=row["value_id"],
        version=row["version"],
        decrypters=tuple(row["decrypters"]),
    )
