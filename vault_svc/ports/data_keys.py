"""Where wrapped data keys are kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from vault_svc.domain.keyring import DataKeyState, ReplacementRule, WrappedDataKey


@dataclass(frozen=True, slots=True)
class DataKeyRecord:
    """A data key with what decides its replacement."""

    key: WrappedDataKey
    created_at: datetime
    wraps_reserved: int


@dataclass(frozen=True, slots=True)
class KekUsage:
    """How much lies under a KEK."""

    data_key_count: int
    namespace_count: int


class DataKeyStore(Protocol):
    """Wrapped data keys.

    Suite: tests/contracts/vault_svc/data_key_store.py.
    Every method raises UnavailableError when the store cannot be reached.
    """

    async def reserve_wraps(
        self, namespace: str, rule: ReplacementRule, now: datetime
    ) -> WrappedDataKey | None:
        """The active key, one more block of its wraps durably counted as used.

        None if there is no active key, or only one that is due to be replaced.
        """
        ...

    async def activate(self, key: WrappedDataKey, rule: ReplacementRule, now: datetime) -> bool:
        """Whether this key is now its namespace's active one, committed.

        An active key that is due to be replaced is retired; one that is not stays, and then
        nothing is kept of the new key.
        """
        ...

    async def read(self, namespace: str, data_key_id: UUID) -> DataKeyRecord:
        """The key as it is. Raises NotFoundError."""
        ...

    async def move(self, namespace: str, data_key_id: UUID, target: DataKeyState) -> None:
        """The key is retired or disabled.

        Raises NotFoundError, FailedPreconditionError if the states forbid it, or if it is a
        fingerprint key whose place another one has taken.
        """
        ...

    async def destroy(self, namespace: str, data_key_id: UUID) -> None:
        """The key's bytes are gone and no value lies under it, nor ever will.

        Raises NotFoundError, FailedPreconditionError if its state forbids it or values lie
        under it, counted while nothing can be stored under it.
        """
        ...

    async def samples_per_kek(self, limit: int) -> tuple[WrappedDataKey, ...]:
        """Up to `limit` undestroyed keys for each KEK that any of them names."""
        ...

    async def kek_usage(self, kek_ids: Collection[str]) -> Mapping[str, KekUsage]:
        """What lies under each of these KEKs; without those that no undestroyed key names."""
        ...
