"""What happened, as committed. See ports.Changes and ports.Counters."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import asyncpg
import structlog

from chassis.postgres import Database
from chassis.queries import load_queries
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.resource import Kind
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.changes import ChangesQuery, Entry, Past, PastChange
from metadata_svc.ports.history import ChangeType
from metadata_svc.postgres.rows import (
    DAMAGE,
    check_sound,
    keeper_from_json,
    secure_value_from_json,
)

T = TypeVar("T", SecureValue, Keeper)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChangeQueries:
    """The statements of changes.sql."""

    after: str
    counters: str


def load_change_queries() -> ChangeQueries:
    """The statements as the file has them."""
    return load_queries(ChangeQueries, "metadata_svc.postgres", "changes.sql")


@dataclass(frozen=True, slots=True)
class _Stored(Generic[T]):
    """How a kind's changes are read: its object, and that as selectors saw it before."""

    kind: Kind
    read: Callable[[str], T]
    before: Callable[[T, Mapping[str, str], Sequence[str]], T]


SECURE_VALUES: _Stored[SecureValue] = _Stored(
    Kind.SECURE_VALUE,
    secure_value_from_json,
    lambda after, labels, decrypters: replace(
        after, labels=labels, decrypters=tuple(decrypters)
    ),
)
KEEPERS: _Stored[Keeper] = _Stored(
    Kind.KEEPER, keeper_from_json, lambda after, labels, _: replace(after, labels=labels)
)


@dataclass(frozen=True, slots=True)
class PostgresChanges(Generic[T]):
    """See ports.Changes."""

    database: Database
    queries: ChangeQueries
    stored: _Stored[T]

    async def after(self, query: ChangesQuery) -> Past[T]:
        rows = await self.database.fetch(
            self.queries.after,
            query.namespace,
            query.after,
            self.stored.kind.value,
            None if query.scope.everything else sorted(query.scope.names),
            query.limit,
            query.max_bytes,
        )
        entries = (self._entry(row) for row in rows if row["resource_version"] is not None)
        return Past(tuple(entries), rows[0]["counter"])

    def _entry(self, row: asyncpg.Record) -> Entry[T]:
        number: int = row["resource_version"]
        if row["object"] is None:
            return Entry(number, None)
        try:
            return Entry(number, self._change(row))
        except DAMAGE as error:
            _log.error(  # frames would quote what the row holds
                "a recorded change is damaged; watches pass it over",
                kind=self.stored.kind.value,
                name=row["name"],
                resource_version=number,
                reason=type(error).__name__,
            )
            return Entry(number, None)

    def _change(self, row: asyncpg.Record) -> PastChange[T]:
        after, labels = self.stored.read(row["object"]), row["previous_labels"]
        before = None
        if labels is not None:
            decrypters = row["previous_decrypters"] or ()
            before = self.stored.before(after, json.loads(labels), decrypters)
            check_sound(before)
        return PastChange(type=ChangeType(row["type"]), after=after, before=before)


@dataclass(frozen=True, slots=True)
class PostgresCounters:
    """See ports.Counters."""

    database: Database
    queries: ChangeQueries

    async def counters(self, namespaces: Sequence[str]) -> dict[str, int]:
        rows = await self.database.fetch(self.queries.counters, list(namespaces))
        found = {row["namespace"]: row["value"] for row in rows}
        return {namespace: found.get(namespace, 0) for namespace in namespaces}
