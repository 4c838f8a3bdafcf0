"""Where sealed values are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from vault_svc.domain.keyring import WrappedDataKey
from vault_svc.domain.sealing import SealedValue


class ValueKey(NamedTuple):
    """Which value; ordered by namespace, then by id."""

    namespace: str
    value_id: UUID


class StoredValue(NamedTuple):
    """A sealed value and the state of the data key it lies under, read at one moment."""

    sealed: SealedValue
    data_key: WrappedDataKey


@dataclass(frozen=True, slots=True)
class StoredRow:
    """All that is stored of a value, whatever its state; no seal if that is too large."""

    key: ValueKey
    sealed: SealedValue
    size_bytes: int  # of the sealed value as it is stored
    awaits_erasure: bool
    data_key: WrappedDataKey | None  # None if it is not there, or is none


@dataclass(frozen=True, slots=True)
class StoredValues:
    """Those of the asked values that are there; none if together they are too large."""

    total_bytes: int  # of the sealed values, before any limit
    values: Mapping[ValueKey, StoredValue]


@dataclass(frozen=True, slots=True)
class Scheduling:
    """What came of setting a time of erasure."""

    scheduled_count: int  # of values that had none before
    absent: tuple[ValueKey, ...]  # there is no value of these ids


@dataclass(frozen=True, slots=True)
class Refusal:
    """What came of setting a time of erasure for refused values."""

    scheduled_count: int  # of values that had none before
    # Known to be claimed, and so kept: metadata contradicts what it once answered.
    contradicted: tuple[ValueKey, ...]


class DueValue(NamedTuple):
    """A value and when its bytes may go; ordered by that time, then by key."""

    erase_at: datetime
    key: ValueKey


class SealedValueStore(Protocol):
    """Sealed values by namespace and id.

    Suite: tests/contracts/vault_svc/sealed_value_store.py.
    Every method raises UnavailableError when the store cannot be reached.
    """

    async def insert(self, key: ValueKey, sealed: SealedValue, stored_at: datetime) -> None:
        """The value is kept, not known to be claimed; its data key was active at that moment.

        Raises StaleDataKeyError if the data key is not active (nothing is kept), ConflictError
        if there is a value of that id.
        """
        ...

    async def read(self, keys: Sequence[ValueKey], *, maximum_bytes: int) -> StoredValues:
        """Those of the values that are there, by one statement; the keys differ."""
        ...

    async def schedule(
        self, keys: Sequence[ValueKey], *, heard_at: datetime, erase_at: datetime
    ) -> Scheduling:
        """These values have a time of erasure; one that is set already is not moved.

        They were claimed once: those not known to be are known to be now, since `heard_at`.
        """
        ...

    async def schedule_refused(
        self, keys: Sequence[ValueKey], *, erase_at: datetime, failed_erase_at: datetime
    ) -> Refusal:
        """Those never known to be claimed have a time of erasure; one set already is not moved.

        `failed_erase_at` is for those whose write was seen to fail. Those known to be claimed
        have no time of erasure.
        """
        ...

    async def mark_claimed(self, keys: Sequence[ValueKey], claimed_at: datetime) -> None:
        """These values are known to be claimed and have no time of erasure.

        The first `claimed_at` stays.
        """
        ...

    async def mark_failed(self, key: ValueKey, failed_at: datetime) -> None:
        """The write of this value was seen to fail, unless it is known to be claimed."""
        ...

    async def due(
        self, *, now: datetime, after: DueValue | None, limit: int
    ) -> tuple[DueValue, ...]:
        """A page, in order, of the values whose time of erasure has come."""
        ...

    async def erase_due(
        self, keys: Sequence[ValueKey], *, now: datetime
    ) -> tuple[ValueKey, ...]:
        """Those of these values whose time of erasure has come are gone; which those were."""
        ...

    async def unclaimed(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        """A page, in order, of the values neither known to be claimed nor to be erased."""
        ...

    async def all_values(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        """A page, in order, of all values."""
        ...

    async def everything(
        self, *, after: ValueKey | None, limit: int, maximum_bytes: int
    ) -> tuple[StoredRow, ...]:
        """A page, in order, of everything; a seal longer than `maximum_bytes` is empty."""
        ...
