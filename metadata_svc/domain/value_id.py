"""The fate of a value id: claimed at most once, ever.

claimed → released → erased, or refused from the start; no other transition exists.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from metadata_svc.domain.secure_value import SecureValue


class ValueState(StrEnum):
    """Where a value id stands."""

    CLAIMED = "claimed"  # a secure value points to it
    RELEASED = "released"  # none points to it any more; the vault may erase its bytes
    ERASED = "erased"  # the vault has erased its bytes
    REFUSED = "refused"  # nobody claimed it and nobody ever will


@dataclass(frozen=True, slots=True, order=True)
class ValueKey:
    """Names one value; ordered as pages of released ids are."""

    namespace: str
    value_id: UUID


@dataclass(frozen=True, slots=True, order=True)
class ReleasedPlace:
    """A released id and when it was released; ordered by that time, then by key."""

    released_at: datetime
    key: ValueKey


@dataclass(frozen=True, slots=True)
class ListedValue:
    """A value id, where it stands, and the name that points to it if one does."""

    key: ValueKey
    state: ValueState | None  # None: nobody ever decided this id
    name: str | None


@dataclass(frozen=True, slots=True)
class ValueRecord:
    """What is recorded of a value id; no outcome if it was refused, or is forgotten by now."""

    state: ValueState
    outcome: SecureValue | None
