"""The counter and the changes, inside a transaction."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue


class ChangeType(StrEnum):
    """What a write did to the object, as a watch will say it."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write: the object after it (a delete: before it) and what selected it until then.

    `resource_version` is the write's own; a deleted object still carries its last one.
    """

    type: ChangeType
    resource_version: int
    resource: SecureValue | Keeper
    previous: SecureValue | Keeper | None


class History(Protocol):
    """The namespace's counter and the changes that watches read, inside a transaction.

    Suite: tests/contracts/metadata_svc/history.py.
    """

    async def advance(self, namespace: str) -> int:
        """The next resource version; held to the end, so that numbers are in commit order."""
        ...

    async def append(self, change: Change) -> None:
        """The change is recorded under its resource version."""
        ...

    async def trim(self, *, minimum_age: timedelta, limit: int) -> int:
        """At most `limit` of the changes at least that old are gone, oldest first; how many."""
        ...
