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
class StoredValues:
    """Those of the asked values that are there; none if together they are too large."""

    total_bytes: int  # of the sealed values, before any limit
    values: Mapping[ValueKey, StoredValue]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What came of erasing refused values."""

    erased_count: int
    # Known to be claimed, and so still there: metadata contradicts what it once answered.
    contradicted: tuple[ValueKey, ...]


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

    async def erase(self, keys: Sequence[ValueKey]) -> int:
        """None of these values is there any more; how many were."""
        ...

    async def erase_refused(self, keys: Sequence[ValueKey]) -> Refusal:
        """None of these values is there any more, but for those known to be claimed."""
        ...

    async def mark_claimed(self, keys: Sequence[ValueKey], claimed_at: datetime) -> None:
        """These values are no longer listed as unclaimed; the first time given stays."""
        ...

    async def unclaimed(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        """A page, in order, of the values not known to be claimed."""
        ...

    async def all_values(
        self, *, stored_before: datetime, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        """A page, in order, of all values."""
        ...
