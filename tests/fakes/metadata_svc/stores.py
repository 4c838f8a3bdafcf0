"""The ports in memory: one transaction at a time, on a copy that replaces what was there.

Passes the suites of tests/contracts/metadata_svc, as Postgres does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from chassis.clock import Clock
from metadata_svc.domain.access import Location
from metadata_svc.domain.resource import Kind, already_exists
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ReleasedPlace, ValueKey, ValueRecord, ValueState
from metadata_svc.ports.history import Change
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import ManualClock
from tests.fakes.metadata_svc.idempotency import FakeIdempotencyReader, FakeIdempotencyStore
from tests.fakes.metadata_svc.keepers import FakeKeeperReader, FakeKeeperStore
from tests.fakes.metadata_svc.reading import FakeChanges, FakeCounters, FakePages
from tests.fakes.metadata_svc.tables import Address, Tables, ValueRow

T = TypeVar("T")


class FakeDatabase:
    """What the stores below share."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.tables = Tables()
        self.clock = clock or ManualClock()
        self.turn = asyncio.Lock()


class FakeSecureValueStore:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def next_version(self, namespace: str, name: str) -> int:
        version = self._tables.last_versions.get((namespace, name), 0) + 1
        self._tables.last_versions[namespace, name] = version
        return version

    async def lock(self, namespace: str, name: str) -> SecureValue | None:
        return self._tables.live.get((namespace, name))

    lock_to_remove = lock

    async def insert(self, secure_value: SecureValue) -> None:
        address = secure_value.namespace, secure_value.name
        if address in self._tables.live:
            raise already_exists(secure_value.kind, secure_value.name)
        self._tables.live[address] = secure_value

    async def replace(self, secure_value: SecureValue) -> None:
        self._tables.live[secure_value.namespace, secure_value.name] = secure_value

    async def remove(self, secure_value: SecureValue) -> None:
        del self._tables.live[secure_value.namespace, secure_value.name]

    async def any_kept_by(self, namespace: str, keeper: str) -> bool:
        live = self._tables.live.values()
        return any((s.namespace, s.keeper) == (namespace, keeper) for s in live)


class FakeValueIdStore:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows, self._clock = tables.value_ids, clock

    async def claim(self, key: ValueKey) -> ValueRecord | None:
        fresh = ValueRow(ValueState.CLAIMED, self._clock.now())
        row = self._rows.setdefault(key, fresh)
        return None if row is fresh else ValueRecord(row.state, row.outcome)

    async def record(self, key: ValueKey, outcome: SecureValue) -> None:
        self._rows[key] = replace(self._rows[key], outcome=outcome)

    async def release(self, key: ValueKey) -> None:
        row = self._rows.get(key)
        if row is not None and row.state is ValueState.CLAIMED:
            now = self._clock.now()
            self._rows[key] = replace(row, state=ValueState.RELEASED, released_at=now)

    async def refuse(self, keys: Sequence[ValueKey]) -> dict[ValueKey, ValueState]:
        refused = ValueRow(ValueState.REFUSED, self._clock.now())
        return {key: self._rows.setdefault(key, refused).state for key in keys}

    async def released(
        self, *, minimum_age: timedelta, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        newest = self._clock.now() - minimum_age
        found = sorted(
            key
            for key, row in self._rows.items()
            if row.state is ValueState.RELEASED
            and row.released_at is not None
            and row.released_at <= newest
            and (after is None or key > after)
        )
        return tuple(found[:limit])

    async def released_since(
        self, *, place: ReleasedPlace | None, limit: int
    ) -> tuple[ReleasedPlace, ...]:
        places = sorted(
            ReleasedPlace(row.released_at, key)
            for key, row in self._rows.items()
            if row.state is ValueState.RELEASED
            and row.released_at is not None
            and row.released_at <= self._clock.now()
        )
        return tuple(each for each in places if place is None or each > place)[:limit]

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        for key in keys:
            row = self._rows.get(key)
            if row is not None and row.state is ValueState.RELEASED:
                self._rows[key] = replace(row, state=ValueState.ERASED)

    async def forget_outcomes(self, *, minimum_age: timedelta, limit: int) -> int:
        newest = self._clock.now() - minimum_age
        recorded = [(row.decided_at, key) for key, row in self._rows.items() if row.outcome]
        recorded.sort(key=lambda each: each[0])
        old = [key for at, key in recorded if at <= newest][:limit]
        for key in old:
            self._rows[key] = replace(self._rows[key], outcome=None)
        return len(old)


class FakeHistory:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def advance(self, namespace: str) -> int:
        value = self._tables.counters.get(namespace, 0) + 1
        self._tables.counters[namespace] = value
        return value

    async def append(self, change: Change) -> None:
        self._tables.changes.append((self._clock.now(), change))

    async def trim(self, *, minimum_age: timedelta, limit: int) -> int:
        newest = self._clock.now() - minimum_age
        changes = self._tables.changes
        old = [number for number, (at, _) in enumerate(changes) if at <= newest][:limit]
        gone = set(old)
        self._tables.changes = [c for n, c in enumerate(changes) if n not in gone]
        return len(old)


class FakeTransaction:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self.secure_values = FakeSecureValueStore(tables)
        self.value_ids = FakeValueIdStore(tables, clock)
        self.keepers = FakeKeeperStore(tables)
        self.history = FakeHistory(tables, clock)
        self.idempotency = FakeIdempotencyStore(tables, clock)


class FakeTransactions:
    def __init__(self, database: FakeDatabase) -> None:
        self._database = database

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self._database.turn:
            tables = self._database.tables.copy()
            result = await work(FakeTransaction(tables, self._database.clock))
            self._database.tables = tables
            return result


class FakeReplication:
    """Memory has no standby."""

    async def replicated(self) -> None:
        pass


class FakeReader:
    def __init__(self, database: FakeDatabase) -> None:
        self._database = database

    async def get(self, namespace: str, name: str) -> SecureValue | None:
        return self._database.tables.live.get((namespace, name))

    async def locate(self, addresses: Sequence[Address]) -> dict[Address, Location]:
        live = self._database.tables.live
        return {a: _location(live[a]) for a in addresses if a in live}

    async def last_version(self, namespace: str, name: str) -> int:
        return self._database.tables.last_versions.get((namespace, name), 0)

    async def resource_version(self, namespace: str) -> int:
        return self._database.tables.counters.get(namespace, 0)


def fake_stores(database: FakeDatabase) -> Stores:
    def now() -> Tables:
        return database.tables

    return Stores(
        transactions=FakeTransactions(database),
        replication=FakeReplication(),
        reader=FakeReader(database),
        keepers=FakeKeeperReader(now),
        secure_value_pages=FakePages(now, lambda tables: tables.live),
        secure_value_changes=FakeChanges(now, Kind.SECURE_VALUE),
        keeper_pages=FakePages(now, lambda tables: tables.keepers),
        keeper_changes=FakeChanges(now, Kind.KEEPER),
        counters=FakeCounters(now),
        idempotency=FakeIdempotencyReader(now, database.clock),
    )


def _location(secure_value: SecureValue) -> Location:
    return Location(
        keeper=secure_value.keeper,
        value_id=secure_value.value_id,
        version=secure_value.version,
        decrypters=secure_value.decrypters,
    )
