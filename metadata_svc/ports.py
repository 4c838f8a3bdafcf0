"""What the use cases ask of whatever remembers.

- Work inside `Transactions.run` sees its own writes, holds its locks to the end, and happens as
  a whole or not at all. It may be run again, so it does nothing that a second run would spoil.
- Locks are taken in one order, which leaves no circle: a new value id, the name's version, the
  live row, the keeper, other value ids, and at last the namespace's counter.
- Every method may raise UnavailableError; for a transaction that says nothing of its outcome.
- Every implementation passes the suites named below.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from metadata_svc.domain.access import Location, Scope
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ValueKey, ValueRecord, ValueState

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """One page of a namespace: names after `after_name`, in byte order, that match it all."""

    namespace: str
    scope: Scope
    labels: Mapping[str, str] = field(default_factory=dict)
    decrypter: str = ""
    after_name: str = ""
    limit: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some secure values in name order, and whether more match after the last one here."""

    secure_values: tuple[SecureValue, ...]
    more: bool


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
    secure_value: SecureValue
    previous: SecureValue | None


class Reader(Protocol):
    """Reads committed secure values, each call by one statement on the primary.

    Suite: tests/contracts/metadata_svc/reader.py.
    """

    async def get(self, namespace: str, name: str) -> SecureValue | None:
        """The live secure value, if there is one."""
        ...

    async def page(self, query: PageQuery) -> Page:
        """At most `limit` secure values; fewer, but at least one, when they are large."""
        ...

    async def locate(self, namespace: str, names: Sequence[str]) -> dict[str, Location]:
        """Where the values of these names are; a name with no live secure value is missing."""
        ...

    async def last_version(self, namespace: str, name: str) -> int:
        """The last version the name ever had, deleted ones included; 0 if it had none."""
        ...

    async def resource_version(self, namespace: str) -> int:
        """The namespace's counter; 0 before its first write."""
        ...


class KeeperReader(Protocol):
    """Reads committed keepers. Suite: tests/contracts/metadata_svc/keepers.py."""

    async def active(self, namespace: str) -> str | None:
        """The name of the namespace's active keeper, if there is one."""
        ...

    async def exists(self, namespace: str, name: str) -> bool:
        """Whether there is a keeper of this name."""
        ...


class SecureValueStore(Protocol):
    """The live rows, inside a transaction.

    Suite: tests/contracts/metadata_svc/secure_value_store.py.
    """

    async def next_version(self, namespace: str, name: str) -> int:
        """A version the name never had; whoever else asks for this name waits for the end."""
        ...

    async def lock(self, namespace: str, name: str) -> SecureValue | None:
        """The live secure value, if there is one; nobody else locks or writes it meanwhile."""
        ...

    async def insert(self, secure_value: SecureValue) -> None:
        """The secure value is live. Raises AlreadyExistsError if the name is."""
        ...

    async def replace(self, secure_value: SecureValue) -> None:
        """The live row, locked before, is this one now."""
        ...

    async def remove(self, secure_value: SecureValue) -> None:
        """The live row, locked before, is gone."""
        ...


class ValueIdStore(Protocol):
    """The fate of every value id, inside a transaction.

    Suite: tests/contracts/metadata_svc/value_id_store.py.
    """

    async def claim(self, key: ValueKey) -> ValueRecord | None:
        """None: the id is claimed now, by this transaction. Else what was recorded before.

        Of two transactions that decide one id, the second waits for the first to end.
        """
        ...

    async def record(self, key: ValueKey, outcome: SecureValue) -> None:
        """The claim's outcome stands beside the id until it is forgotten."""
        ...

    async def release(self, key: ValueKey) -> None:
        """A claimed id is released, its age counted from now by the database's clock."""
        ...

    async def refuse(self, keys: Sequence[ValueKey]) -> dict[ValueKey, ValueState]:
        """Every id that nobody decided is refused; says where each id stands afterwards."""
        ...

    async def released(
        self, *, minimum_age: timedelta, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        """Ids released at least that long ago, in the order of keys, after `after`."""
        ...

    async def forget_outcomes(self, *, minimum_age: timedelta, limit: int) -> int:
        """At most `limit` outcomes at least that old are gone, oldest first; how many.

        Their age counts from the claim, by the database's clock. The ids stay where they stand:
        none of them is ever claimed again.
        """
        ...

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        """Those of the ids that are released are erased; the others stay as they are."""
        ...


class KeeperStore(Protocol):
    """The keepers, inside a transaction. Suite: tests/contracts/metadata_svc/keepers.py."""

    async def lock(self, namespace: str, name: str) -> bool:
        """Whether the keeper exists; if so it cannot be deleted before the end."""
        ...


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


class Transaction(Protocol):
    """One transaction's stores."""

    @property
    def secure_values(self) -> SecureValueStore:
        """The live rows."""
        ...

    @property
    def value_ids(self) -> ValueIdStore:
        """The fate of value ids."""
        ...

    @property
    def keepers(self) -> KeeperStore:
        """The keepers."""
        ...

    @property
    def history(self) -> History:
        """The counter and the changes."""
        ...


class Transactions(Protocol):
    """Where writes happen. Suite: tests/contracts/metadata_svc/transactions.py."""

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """What `work` returned, committed; or what it raised, and nothing of it happened.

        Raises UnavailableError when the database fails; if that was while committing, the
        outcome is unknown.
        """
        ...
