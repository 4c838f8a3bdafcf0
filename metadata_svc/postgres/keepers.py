"""Keepers. See ports.KeeperReader and ports.KeeperStore."""

from dataclasses import dataclass

import asyncpg

from chassis.postgres import Connection, Database
from chassis.queries import load_queries
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.resource import DamagedObjectError, already_exists
from metadata_svc.postgres.rows import (
    AWS_TYPE,
    aws_to_json,
    keeper_from_row,
    map_to_json,
    owners_to_json,
    salvaged_keeper,
    size_bytes,
)


@dataclass(frozen=True, slots=True)
class KeeperQueries:
    """The statements of keepers.sql."""

    active: str
    read: str
    lock: str
    lock_to_change: str
    hold_activation: str
    lock_to_activate: str
    count: str
    insert: str
    replace: str
    remove: str


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
        return await self.get(namespace, name) is not None

    async def get(self, namespace: str, name: str) -> Keeper | None:
        row = await self.database.fetchrow(self.queries.read, namespace, name)
        return None if row is None else keeper_from_row(row)


@dataclass(frozen=True, slots=True)
class PostgresKeeperStore:
    """See ports.KeeperStore."""

    connection: Connection
    queries: KeeperQueries

    async def lock(self, namespace: str, name: str) -> bool:
        row = await self.connection.fetchrow(self.queries.lock, namespace, name)
        return row is not None

    async def lock_to_change(self, namespace: str, name: str) -> Keeper | None:
        row = await self.connection.fetchrow(self.queries.lock_to_change, namespace, name)
        return None if row is None else keeper_from_row(row)

    async def lock_to_remove(self, namespace: str, name: str) -> Keeper | None:
        row = await self.connection.fetchrow(self.queries.lock_to_change, namespace, name)
        if row is None:
            return None
        try:
            return keeper_from_row(row)
        except DamagedObjectError:
            return salvaged_keeper(row)

    async def lock_to_activate(self, namespace: str, name: str) -> tuple[Keeper, ...]:
        await self.connection.execute(self.queries.hold_activation, namespace)
        rows = await self.connection.fetch(self.queries.lock_to_activate, namespace, name)
        return tuple(map(keeper_from_row, rows))

    async def count(self, namespace: str) -> int:
        number: int = await self.connection.fetchval(self.queries.count, namespace)
        return number

    async def insert(self, keeper: Keeper) -> None:
        try:
            await self.connection.execute(
                self.queries.insert,
                keeper.namespace,
                keeper.name,
                keeper.uid,
                keeper.resource_version,
                keeper.generation,
                keeper.active,
                keeper.description,
                AWS_TYPE,
                aws_to_json(keeper.aws),
                map_to_json(keeper.labels),
                map_to_json(keeper.annotations),
                keeper.created_at,
                keeper.created_by,
                keeper.updated_at,
                keeper.updated_by,
                owners_to_json(keeper.field_owners),
                size_bytes(keeper),
                keeper.created_by_issuer,
                keeper.updated_by_issuer,
            )
        except asyncpg.UniqueViolationError as error:
            raise already_exists(keeper.kind, keeper.name) from error

    async def replace(self, keeper: Keeper) -> None:
        await self.connection.execute(
            self.queries.replace,
            keeper.namespace,
            keeper.name,
            keeper.resource_version,
            keeper.generation,
            keeper.active,
            keeper.description,
            AWS_TYPE,
            aws_to_json(keeper.aws),
            map_to_json(keeper.labels),
            map_to_json(keeper.annotations),
            keeper.updated_at,
            keeper.updated_by,
            owners_to_json(keeper.field_owners),
            size_bytes(keeper),
            keeper.updated_by_issuer,
        )

    async def remove(self, keeper: Keeper) -> None:
        await self.connection.execute(self.queries.remove, keeper.namespace, keeper.name)
