"""Idempotency keys in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from chassis.clock import Clock
from metadata_svc.domain.idempotency import Fingerprint, IdempotencyKey, RecordedCreate
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from tests.fakes.metadata_svc.tables import IdempotencyRow, Tables


class FakeIdempotencyReader:
    def __init__(self, now: Callable[[], Tables], clock: Clock) -> None:
        self._now, self._clock = now, clock

    async def find(
        self, key: IdempotencyKey, *, younger_than: timedelta
    ) -> RecordedCreate | None:
        row = self._now().idempotency.get(key)
        if row is None or row.taken_at <= self._clock.now() - younger_than:
            return None
        return _recorded(key, row)


class FakeIdempotencyStore:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows, self._clock = tables.idempotency, clock

    async def take(
        self, key: IdempotencyKey, fingerprint: Fingerprint, *, younger_than: timedelta
    ) -> RecordedCreate | None:
        row, now = self._rows.get(key), self._clock.now()
        if row is not None and row.taken_at > now - younger_than:
            return _recorded(key, row)
        self._rows[key] = IdempotencyRow(fingerprint, now)
        return None

    async def record(self, key: IdempotencyKey, outcome: SecureValue | Keeper) -> None:
        self._rows[key] = replace(self._rows[key], outcome=outcome)

    async def trim(self, *, minimum_age: timedelta, limit: int) -> int:
        newest = self._clock.now() - minimum_age
        by_age = sorted(self._rows, key=lambda key: self._rows[key].taken_at)
        old = [key for key in by_age if self._rows[key].taken_at <= newest][:limit]
        for key in old:
            del self._rows[key]
        return len(old)


def _recorded(key: IdempotencyKey, row: IdempotencyRow) -> RecordedCreate:
    assert row.outcome is not None
    return RecordedCreate(row.fingerprint, row.outcome, key.by.issuer)
