"""Committed secure values. See ports.Reader."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.postgres import Database
from chassis.queries import in_one_text, load_queries
from metadata_svc.domain.access import Location
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.reader import Address
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

    async def locate(self, addresses: Sequence[Address]) -> dict[Address, Location]:
        namespaces = in_one_text([namespace for namespace, _ in addresses])
        names = in_one_text([name for _, name in addresses])
        rows = await self.database.fetch(self.queries.locate, namespaces, names)
        # By position, for each row is one decrypt's wait: the columns are Location's fields.
        return {addresses[row[0]]: Location._make(row[1:]) for row in rows}

    async def last_version(self, namespace: str, name: str) -> int:
        row = await self.database.fetchrow(self.queries.last_version, namespace, name)
        return 0 if row is None else row["last_version"]

    async def resource_version(self, namespace: str) -> int:
        row = await self.database.fetchrow(self.queries.resource_version, namespace)
        return 0 if row is None else row["value"]
