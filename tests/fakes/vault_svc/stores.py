"""The vault's two stores in memory, over one set of rows as in the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from chassis.errors import ConflictError, FailedPreconditionError, NotFoundError
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.keyring import (
    DataKeyState,
    ReplacementRule,
    StaleDataKeyError,
    WrappedDataKey,
    require_move,
)
from vault_svc.domain.sealing import SealedValue
from vault_svc.ports.data_keys import DataKeyRecord
from vault_svc.ports.values import Refusal, StoredValue, StoredValues, ValueKey


@dataclass(frozen=True, slots=True)
class ValueRow:
    sealed: SealedValue
    stored_at: datetime
    claimed_at: datetime | None = None


def is_fingerprint_key_in_use(key: WrappedDataKey) -> bool:
    return key.purpose is KeyPurpose.FINGERPRINT and key.state is DataKeyState.RETIRED


@dataclass(slots=True)
class Rows:
    values: dict[ValueKey, ValueRow] = field(default_factory=dict)
    keys: dict[tuple[str, UUID], DataKeyRecord] = field(default_factory=dict)

    def active_key(self, namespace: str) -> DataKeyRecord | None:
        for record in self.keys.values():
            if record.key.namespace == namespace and record.key.state is DataKeyState.ACTIVE:
                return record
        return None

    def fingerprint_key(self, namespace: str) -> WrappedDataKey | None:
        for record in self.keys.values():
            if record.key.namespace == namespace and is_fingerprint_key_in_use(record.key):
                return record.key
        return None

    def put_key(self, record: DataKeyRecord) -> None:
        self.keys[record.key.namespace, record.key.data_key_id] = record

    def key(self, namespace: str, data_key_id: UUID) -> DataKeyRecord:
        if (namespace, data_key_id) not in self.keys:
            raise NotFoundError("there is no such data key")
        return self.keys[namespace, data_key_id]


class InMemorySealedValueStore:
    """See ports.values.SealedValueStore."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    async def insert(self, key: ValueKey, sealed: SealedValue, stored_at: datetime) -> None:
        active = self.rows.active_key(key.namespace)
        if active is None or active.key.data_key_id != sealed.data_key_id:
            raise StaleDataKeyError
        if key in self.rows.values:
            raise ConflictError("there is a value of this id already")
        self.rows.values[key] = ValueRow(sealed, stored_at)

    async def read(self, keys: Sequence[ValueKey], *, maximum_bytes: int) -> StoredValues:
        there = {key: self.rows.values[key].sealed for key in keys if key in self.rows.values}
        total_bytes = sum(len(sealed.sealed_value) for sealed in there.values())
        if total_bytes > maximum_bytes:
            return StoredValues(total_bytes, {})
        return StoredValues(
            total_bytes,
            {
                key: StoredValue(sealed, self.rows.key(key.namespace, sealed.data_key_id).key)
                for key, sealed in there.items()
            },
        )

    async def erase(self, keys: Sequence[ValueKey]) -> int:
        return len([self.rows.values.pop(key) for key in set(keys) if key in self.rows.values])

    async def erase_refused(self, keys: Sequence[ValueKey]) -> Refusal:
        there = sorted(key for key in set(keys) if key in self.rows.values)
        kept = tuple(key for key in there if self.rows.values[key].claimed_at)
        return Refusal(await self.erase([key for key in there if key not in kept]), kept)

    async def mark_claimed(self, keys: Sequence[ValueKey], claimed_at: datetime) -> None:
        for key in set(keys) & self.rows.values.keys():
            row = self.rows.values[key]
            self.rows.values[key] = replace(row, claimed_at=row.claimed_at or claimed_at)

    async def unclaimed(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        keys = await self.all_values(
            stored_before=stored_before, after=after, limit=len(self.rows.values)
        )
        return tuple(key for key in keys if not self.rows.values[key].claimed_at)[:limit]

    async def all_values(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        old = sorted(k for k, row in self.rows.values.items() if row.stored_at < stored_before)
        return tuple(key for key in old if after is None or key > after)[:limit]


class InMemoryDataKeyStore:
    """See ports.data_keys.DataKeyStore."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    async def reserve_wraps(
        self, namespace: str, rule: ReplacementRule, now: datetime
    ) -> WrappedDataKey | None:
        record = self.rows.active_key(namespace)
        if record is None or _is_due(record, rule, now):
            return None
        reserved = record.wraps_reserved + rule.wraps_per_reservation
        self.rows.put_key(replace(record, wraps_reserved=reserved))
        return record.key

    async def activate(self, key: WrappedDataKey, rule: ReplacementRule, now: datetime) -> bool:
        record = self.rows.active_key(key.namespace)
        if record is not None and not _is_due(record, rule, now):
            return False
        if record is not None:
            self._set_state(record, DataKeyState.RETIRED)
        self.rows.put_key(DataKeyRecord(key, now, 0))
        return True

    async def read(self, namespace: str, data_key_id: UUID) -> DataKeyRecord:
        return self.rows.key(namespace, data_key_id)

    async def move(self, namespace: str, data_key_id: UUID, target: DataKeyState) -> None:
        record = self.rows.key(namespace, data_key_id)
        require_move(record.key.state, target)
        self._set_state(record, target)

    async def destroy(self, namespace: str, data_key_id: UUID) -> None:
        record = self.rows.key(namespace, data_key_id)
        require_move(record.key.state, DataKeyState.DESTROYED)
        for key, row in self.rows.values.items():
            if (key.namespace, row.sealed.data_key_id) == (namespace, data_key_id):
                raise FailedPreconditionError("values lie under the data key")
        erased = replace(record.key, state=DataKeyState.DESTROYED, wrapped_key=b"")
        self.rows.put_key(replace(record, key=erased))

    async def samples_per_kek(self, limit: int) -> tuple[WrappedDataKey, ...]:
        samples: list[WrappedDataKey] = []
        for _, record in sorted(self.rows.keys.items()):
            alike = [key for key in samples if key.kek_id == record.key.kek_id]
            if record.key.state is not DataKeyState.DESTROYED and len(alike) < limit:
                samples.append(record.key)
        return tuple(samples)

    def _set_state(self, record: DataKeyRecord, state: DataKeyState) -> None:
        moved = replace(record.key, state=state)
        if is_fingerprint_key_in_use(moved) and self.rows.fingerprint_key(moved.namespace):
            raise FailedPreconditionError("another key has taken its place")
        self.rows.put_key(replace(record, key=moved))


class InMemoryFingerprintKeyStore:
    """See ports.fingerprint_keys.FingerprintKeyStore."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    async def current(self, namespace: str) -> WrappedDataKey | None:
        return self.rows.fingerprint_key(namespace)

    async def keep(self, key: WrappedDataKey, now: datetime) -> None:
        if self.rows.fingerprint_key(key.namespace) is None:
            self.rows.put_key(DataKeyRecord(key, now, 0))


def _is_due(record: DataKeyRecord, rule: ReplacementRule, now: datetime) -> bool:
    return (
        record.wraps_reserved > rule.reservable_below
        or record.created_at <= rule.created_after(now)
    )
