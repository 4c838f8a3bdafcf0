"""Keepers. See ports.KeeperReader and ports.KeeperStore."""

from dataclasses import dataclass

from chassis.postgres import Connection, Database
from chassis.queries import load_queries


@dataclass(frozen=True, slots=True)
class KeeperQueries:
    """The statements of keepers.sql."""

    active: str
    read: str
    lock: str


def load_keeper_queries() -> KeeperQueries:
    """The statements as the file has them."""
    return load_queries(KeeperQueries, "metadata_svc.postgres", "keepers.sql")


@dataclass(frozen=True, slots=True)
class PostgresKeeperReader:
    """See ports.KeeperReader."""

    database: Database
    queries: KeeperQueries

    async def active(self, namespace: str) -> str | None:
        row = await self.database.fetchrow(self.queries.active, namespace)
        return None if row is None else row["name"]

    async def exists(self, namespace: str, name: str) -> bool:
        return await self.database.fetchrow(self.queries.read, namespace, name) is not None


@dataclass(frozen=True, slots=True)
class PostgresKeeperStore:
    """See ports.KeeperStore."""

    connection: Connection
    queries: KeeperQueries

    async def lock(self, namespace: str, name: str) -> bool:
        row = await self.connection.fetchrow(self.queries.lock, namespace, name)
        return row is not None
