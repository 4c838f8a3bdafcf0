"""The fate of value ids. See ports.ValueIdStore."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.errors import UnavailableError
from chassis.postgres import Connection
from chassis.queries import load_queries
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ReleasedPlace, ValueKey, ValueRecord, ValueState
from metadata_svc.postgres.rows import (
    DAMAGE,
    DAMAGED_OUTCOME,
    note_damaged_outcome,
    resource_to_json,
    secure_value_from_json,
)

_BEFORE_ALL = ValueKey("", UUID(int=0))
_BEFORE_ALL_RELEASES = ReleasedPlace(datetime(1970, 1, 1, tzinfo=UTC), _BEFORE_ALL)


@dataclass(frozen=True, slots=True)
class ValueIdQueries:
    """The statements of value_ids.sql."""

    claim: str
    read: str
    record: str
    release: str
    refuse: str
    states: str
    released: str
    released_since: str
    forget_outcomes: str
    acknowledge: str


def load_value_id_queries() -> ValueIdQueries:
    """The statements as the file has them."""
    return load_queries(ValueIdQueries, "metadata_svc.postgres", "value_ids.sql")


@dataclass(frozen=True, slots=True)
class PostgresValueIdStore:
    """See ports.ValueIdStore."""

    connection: Connection
    queries: ValueIdQueries

    async def claim(self, key: ValueKey) -> ValueRecord | None:
        taken = await self.connection.fetchval(self.queries.claim, key.namespace, key.value_id)
        if taken is not None:
            return None
        # A statement of its own: it sees what whoever held up the first has committed.
        row = await self.connection.fetchrow(self.queries.read, key.namespace, key.value_id)
        if row is None:
            raise LookupError("a value id that is taken has no row")
        return ValueRecord(ValueState(row["state"]), _outcome(row["outcome"]))

    async def record(self, key: ValueKey, outcome: SecureValue) -> None:
        await self.connection.execute(
            self.queries.record, key.namespace, key.value_id, resource_to_json(outcome)
        )

    async def release(self, key: ValueKey) -> None:
        await self.connection.execute(self.queries.release, key.namespace, key.value_id)

    async def refuse(self, keys: Sequence[ValueKey]) -> dict[ValueKey, ValueState]:
        columns = _columns(keys)
        await self.connection.execute(self.queries.refuse, *columns)
        rows = await self.connection.fetch(self.queries.states, *columns)
        return {
            ValueKey(row["namespace"], row["value_id"]): ValueState(row["state"])
            for row in rows
        }

    async def released(
        self, *, minimum_age: timedelta, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        start = after or _BEFORE_ALL
        rows = await self.connection.fetch(
            self.queries.released, minimum_age, start.namespace, start.value_id, limit
        )
        return tuple(ValueKey(row["namespace"], row["value_id"]) for row in rows)

    async def released_since(
        self, *, place: ReleasedPlace | None, limit: int
    ) -> tuple[ReleasedPlace, ...]:
        start = max(place, _BEFORE_ALL_RELEASES) if place else _BEFORE_ALL_RELEASES
        rows = await self.connection.fetch(
            self.queries.released_since,
            start.released_at,
            start.key.namespace,
            start.key.value_id,
            limit,
        )
        return tuple(
            ReleasedPlace(row["released_at"], ValueKey(row["namespace"], row["value_id"]))
            for row in rows
        )

    async def forget_outcomes(self, *, minimum_age: timedelta, limit: int) -> int:
        tag = await self.connection.execute(self.queries.forget_outcomes, minimum_age, limit)
        return int(tag.rpartition(" ")[2])

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        await self.connection.execute(self.queries.acknowledge, *_columns(keys))


def _outcome(stored: str | None) -> SecureValue | None:
    """Raises UnavailableError if it is damaged."""
    if stored is None:
        return None
    try:
        return secure_value_from_json(stored)
    except DAMAGE as error:
        note_damaged_outcome(error)
        raise UnavailableError(DAMAGED_OUTCOME) from None


def _columns(keys: Sequence[ValueKey]) -> tuple[list[str], list[UUID]]:
    return [key.namespace for key in keys], [key.value_id for key in keys]
