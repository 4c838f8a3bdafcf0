"""The vault's two stores in memory, over one set of rows as in the database."""

from collections.abc import Collection, Mapping, Sequence
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
from vault_svc.ports.data_keys import DataKeyRecord, KekUsage
from vault_svc.ports.values import (
    DueValue,
    Refusal,
    Scheduling,
    StoredRow,
    StoredValue,
    StoredValues,
    ValueKey,
)


@dataclass(frozen=True, slots=True)
class ValueRow:
    sealed: SealedValue
    stored_at: datetime
    claimed_at: datetime | None = None
    erase_at: datetime | None = None
    failed_at: datetime | None = None


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

    async def schedule(
        self, keys: Sequence[ValueKey], *, heard_at: datetime, erase_at: datetime
    ) -> Scheduling:
        fresh = [key for key in self._there(keys) if self.rows.values[key].erase_at is None]
        for key in fresh:
            row = self.rows.values[key]
            claimed_at = row.claimed_at or heard_at
            self.rows.values[key] = replace(row, erase_at=erase_at, claimed_at=claimed_at)
        absent = tuple(key for key in keys if key not in self.rows.values)
        return Scheduling(len(fresh), absent)

    async def schedule_refused(
        self, keys: Sequence[ValueKey], *, erase_at: datetime, failed_erase_at: datetime
    ) -> Refusal:
        scheduled, contradicted = 0, []
        for key in self._there(keys):
            row = self.rows.values[key]
            if row.claimed_at:
                contradicted.append(key)
                self.rows.values[key] = replace(row, erase_at=None)
            elif row.erase_at is None:
                scheduled += 1
                at = failed_erase_at if row.failed_at else erase_at
                self.rows.values[key] = replace(row, erase_at=at)
        return Refusal(scheduled, tuple(contradicted))

    async def mark_claimed(self, keys: Sequence[ValueKey], claimed_at: datetime) -> None:
        for key in self._there(keys):
            row = self.rows.values[key]
            if row.claimed_at is None or row.erase_at is not None:
                self.rows.values[key] = replace(
                    row,
                    claimed_at=row.claimed_at or claimed_at,
                    erase_at=None,
                    failed_at=None,
                )

    async def mark_failed(self, key: ValueKey, failed_at: datetime) -> None:
        row = self.rows.values.get(key)
        if row is not None and row.claimed_at is None:
            self.rows.values[key] = replace(row, failed_at=row.failed_at or failed_at)

    async def due(
        self, *, now: datetime, after: DueValue | None, limit: int
    ) -> tuple[DueValue, ...]:
        due = sorted(
            DueValue(row.erase_at, key)
            for key, row in self.rows.values.items()
            if row.erase_at and row.erase_at <= now
        )
        return tuple(each for each in due if after is None or each > after)[:limit]

    async def erase_due(
        self, keys: Sequence[ValueKey], *, now: datetime
    ) -> tuple[ValueKey, ...]:
        due = {
            each.key
            for each in await self.due(now=now, after=None, limit=len(self.rows.values))
        }
        gone = tuple(key for key in self._there(keys) if key in due)
        for key in gone:
            del self.rows.values[key]
        return gone

    def _there(self, keys: Sequence[ValueKey]) -> list[ValueKey]:
        return sorted(key for key in set(keys) if key in self.rows.values)

    async def unclaimed(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        keys = await self.all_values(
            stored_before=stored_before, after=after, limit=len(self.rows.values)
        )
        rows = self.rows.values
        return tuple(k for k in keys if not (rows[k].claimed_at or rows[k].erase_at))[:limit]

    async def everything(
        self, *, after: ValueKey | None, limit: int, maximum_bytes: int
    ) -> tuple[StoredRow, ...]:
        keys = sorted(k for k in self.rows.values if after is None or k > after)[:limit]
        return tuple(self._row(key, maximum_bytes) for key in keys)

    def _row(self, key: ValueKey, maximum_bytes: int) -> StoredRow:
        row = self.rows.values[key]
        size_bytes = len(row.sealed.sealed_value)
        fits = size_bytes <= maximum_bytes
        sealed = row.sealed if fits else row.sealed._replace(sealed_value=b"")
        record = self.rows.keys.get((key.namespace, row.sealed.data_key_id))
        data_key = record.key if record else None
        return StoredRow(key, sealed, size_bytes, row.erase_at is not None, data_key)

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

    async def kek_usage(self, kek_ids: Collection[str]) -> Mapping[str, KekUsage]:
        keys = [record.key for record in self.rows.keys.values()]
        kept = [key for key in keys if key.state is not DataKeyState.DESTROYED]
        named = {kek_id: [k for k in kept if k.kek_id == kek_id] for kek_id in kek_ids}
        return {
            kek_id: KekUsage(len(alike), len({key.namespace for key in alike}))
            for kek_id, alike in named.items()
            if alike
        }

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

    async def give_up(self, key: WrappedDataKey) -> None:
        record = self.rows.keys.get((key.namespace, key.data_key_id))
        if record is not None and is_fingerprint_key_in_use(record.key):
            disabled = replace(record.key, state=DataKeyState.DISABLED)
            self.rows.put_key(replace(record, key=disabled))

    async def keep(self, key: WrappedDataKey, now: datetime) -> None:
        if self.rows.fingerprint_key(key.namespace) is None:
            self.rows.put_key(DataKeyRecord(key, now, 0))


def _is_due(record: DataKeyRecord, rule: ReplacementRule, now: datetime) -> bool:
    return (
        record.wraps_reserved > rule.reservable_below
        or record.created_at <= rule.created_after(now)
    )
