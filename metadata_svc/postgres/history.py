"""The counter and the changes. See ports.History."""

from dataclasses import dataclass, field
from datetime import timedelta

from chassis.postgres import Connection
from chassis.queries import load_queries
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.history import Change
from metadata_svc.postgres.rows import map_to_json, resource_to_json


@dataclass(frozen=True, slots=True)
class HistoryQueries:
    """The statements of history.sql."""

    advance: str
    append: str
    trim: str


def load_history_queries() -> HistoryQueries:
    """The statements as the file has them."""
    return load_queries(HistoryQueries, "metadata_svc.postgres", "history.sql")


@dataclass(frozen=True, slots=True)
class PostgresHistory:
    """See ports.History."""

    connection: Connection
    queries: HistoryQueries
    # The namespaces that the transaction has written to.
    advanced: set[str] = field(default_factory=set)

    async def advance(self, namespace: str) -> int:
        self.advanced.add(namespace)
        value: int = await self.connection.fetchval(self.queries.advance, namespace)
        return value

    async def append(self, change: Change) -> None:
        after, before = change.resource, change.previous
        await self.connection.execute(
            self.queries.append,
            after.namespace,
            change.resource_version,
            after.kind.value,
            after.name,
            after.uid,
            change.type.value,
            resource_to_json(after),
            None if before is None else map_to_json(before.labels),
            before.decrypters if isinstance(before, SecureValue) else None,
        )

    async def trim(self, *, minimum_age: timedelta, limit: int) -> int:
        tag = await self.connection.execute(self.queries.trim, minimum_age, limit)
        return int(tag.rpartition(" ")[2])
