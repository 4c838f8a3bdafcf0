"""The live rows. See ports.SecureValueStore."""

from dataclasses import dataclass

import asyncpg

from chassis.postgres import Connection
from chassis.queries import load_queries
from metadata_svc.domain.resource import DamagedObjectError, already_exists
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.postgres.rows import (
    map_to_json,
    owners_to_json,
    salvaged_secure_value,
    secure_value_from_row,
    size_bytes,
)


@dataclass(frozen=True, slots=True)
class SecureValueQueries:
    """The statements of secure_values.sql."""

    next_version: str
    lock: str
    lock_to_remove: str
    unindex: str
    insert: str
    replace: str
    remove: str
    any_kept_by: str


def load_secure_value_queries() -> SecureValueQueries:
    """The statements as the file has them."""
    return load_queries(SecureValueQueries, "metadata_svc.postgres", "secure_values.sql")


@dataclass(frozen=True, slots=True)
class PostgresSecureValueStore:
    """See ports.SecureValueStore."""

    connection: Connection
    queries: SecureValueQueries

    async def next_version(self, namespace: str, name: str) -> int:
        version: int = await self.connection.fetchval(
            self.queries.next_version, namespace, name
        )
        return version

    async def lock(self, namespace: str, name: str) -> SecureValue | None:
        row = await self.connection.fetchrow(self.queries.lock, namespace, name)
        return None if row is None else secure_value_from_row(row)

    async def lock_to_remove(self, namespace: str, name: str) -> SecureValue | None:
        row = await self.connection.fetchrow(self.queries.lock_to_remove, namespace, name)
        if row is None:
            return None
        try:
            return secure_value_from_row(row)
        except DamagedObjectError:
            # Its labels and decrypters are not found by what it says of itself.
            await self.connection.execute(self.queries.unindex, namespace, name)
            return salvaged_secure_value(row)

    async def insert(self, secure_value: SecureValue) -> None:
        row = secure_value
        try:
            await self.connection.execute(
                self.queries.insert,
                row.namespace,
                row.name,
                row.uid,
                row.resource_version,
                row.generation,
                row.version,
                row.value_id,
                row.keeper,
                row.description,
                row.decrypters,
                map_to_json(row.labels),
                map_to_json(row.annotations),
                row.created_at,
                row.created_by,
                row.updated_at,
                row.updated_by,
                size_bytes(row),
                owners_to_json(row.field_owners),
                row.created_by_issuer,
                row.updated_by_issuer,
            )
        except asyncpg.UniqueViolationError as error:
            raise already_exists(row.kind, row.name) from error

    async def replace(self, secure_value: SecureValue) -> None:
        row = secure_value
        await self.connection.execute(
            self.queries.replace,
            row.namespace,
            row.name,
            row.resource_version,
            row.generation,
            row.version,
            row.value_id,
            row.description,
            row.decrypters,
            map_to_json(row.labels),
            map_to_json(row.annotations),
            row.updated_at,
            row.updated_by,
            size_bytes(row),
            owners_to_json(row.field_owners),
            row.updated_by_issuer,
        )

    async def remove(self, secure_value: SecureValue) -> None:
        await self.connection.execute(
            self.queries.remove, secure_value.namespace, secure_value.name
        )

    async def any_kept_by(self, namespace: str, keeper: str) -> bool:
        kept: bool = await self.connection.fetchval(self.queries.any_kept_by, namespace, keeper)
        return kept
