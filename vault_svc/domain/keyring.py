"""Data keys: the states they go through, and when one gives way to another."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from chassis.errors import FailedPreconditionError
from vault_svc.domain.envelope import DataKeyContext, KeyPurpose

# NIST SP 800-38D §8.3 allows 2^32 invocations per key with random nonces.
MAXIMUM_WRAPS = 2**31
WRAPS_PER_RESERVATION = 1024
MAXIMUM_AGE_SECONDS = 30 * 24 * 3600
_KEK_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def could_be_kek_id(text: str) -> bool:
    """Whether a KEK may have this id."""
    return _KEK_ID.fullmatch(text) is not None


class DataKeyState(StrEnum):
    """What a data key may be used for."""

    ACTIVE = "active"  # seals and opens; one per namespace at most
    RETIRED = "retired"  # opens only; a fingerprint key in use, for it never seals
    DISABLED = "disabled"  # neither, until it is enabled again
    DESTROYED = "destroyed"  # its bytes are gone for good


_MOVES = {
    DataKeyState.ACTIVE: {DataKeyState.RETIRED, DataKeyState.DISABLED},
    DataKeyState.RETIRED: {DataKeyState.DISABLED, DataKeyState.DESTROYED},
    # Enabled again it opens only: its place as the active key may be taken.
    DataKeyState.DISABLED: {DataKeyState.RETIRED, DataKeyState.DESTROYED},
    DataKeyState.DESTROYED: set(),
}
OPENING_STATES = frozenset({DataKeyState.ACTIVE, DataKeyState.RETIRED})


def require_move(current: DataKeyState, target: DataKeyState) -> None:
    """Raises FailedPreconditionError unless a data key may go from one state to the other."""
    if target not in _MOVES[current]:
        raise FailedPreconditionError(f"a data key that is {current} cannot become {target}")


class StaleDataKeyError(Exception):
    """The data key is no longer its namespace's active one: nothing was stored under it."""


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A data key as it rests, and what it may be used for."""

    namespace: str
    data_key_id: UUID
    kek_id: str
    state: DataKeyState
    wrapped_key: bytes  # empty once destroyed
    purpose: KeyPurpose = KeyPurpose.SEAL

    @property
    def opens(self) -> bool:
        """Whether values under it may be opened."""
        return self.state in OPENING_STATES

    @property
    def wrap(self) -> tuple[str, UUID, str, KeyPurpose, bytes]:
        """All of it but what it may be used for: equal ones unwrap to the same key."""
        return (
            self.namespace,
            self.data_key_id,
            self.kek_id,
            self.purpose,
            self.wrapped_key,
        )

    @property
    def context(self) -> DataKeyContext:
        """What its wrap is bound to."""
        return DataKeyContext(self.namespace, self.data_key_id, self.kek_id, self.purpose)


@dataclass(frozen=True, slots=True)
class ReplacementRule:
    """When an active data key gives way to a new one."""

    maximum_age_seconds: float = MAXIMUM_AGE_SECONDS
    maximum_wraps: int = MAXIMUM_WRAPS
    wraps_per_reservation: int = WRAPS_PER_RESERVATION

    def created_after(self, now: datetime) -> datetime:
        """The creation time that a key in use must lie behind."""
        return now - timedelta(seconds=self.maximum_age_seconds)

    @property
    def reservable_below(self) -> int:
        """The highest count of reserved wraps that still leaves room for another block."""
        return self.maximum_wraps - self.wraps_per_reservation
