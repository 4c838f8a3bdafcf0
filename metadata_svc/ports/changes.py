"""What happened in a namespace, as committed: what watches and continued lists read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from metadata_svc.domain.access import Scope
from metadata_svc.ports.history import ChangeType

MAX_BYTES = 1024 * 1024

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesQuery:
    """The writes of a namespace after number `after`, as far as the scope covers them.

    At most `limit`, whose objects weigh at most about `max_bytes`, but for a single one.
    """

    namespace: str
    scope: Scope
    after: int
    limit: int
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange(Generic[T_co]):
    """One write: the resource after it (a delete: before it), and as selectors saw it before.

    `before` is None if there was none; its other fields are those of `after`.
    """

    type: ChangeType
    after: T_co
    before: T_co | None


@dataclass(frozen=True, slots=True)
class Entry(Generic[T_co]):
    """A number of the namespace's counter; its change, if that is of the kind and covered."""

    resource_version: int
    change: PastChange[T_co] | None


@dataclass(frozen=True, slots=True)
class Past(Generic[T_co]):
    """Kept entries in the order of numbers, and the namespace's counter in the same state."""

    entries: tuple[Entry[T_co], ...]
    resource_version: int


class Changes(Protocol[T_co]):
    """The changes of one kind, read by one statement on the primary.

    Every method may raise UnavailableError. Suite: tests/contracts/metadata_svc/changes.py.
    """

    async def after(self, query: ChangesQuery) -> Past[T_co]:
        """At most `limit` of the entries that are kept; fewer when they are large.

        If there are any, at least one is answered. A number that is missing is not kept.
        """
        ...


class Counters(Protocol):
    """The counters of namespaces. Suite: tests/contracts/metadata_svc/changes.py."""

    async def counters(self, namespaces: Sequence[str]) -> dict[str, int]:
        """Each namespace's counter, all in one state; 0 before the first write.

        Raises UnavailableError.
        """
        ...
