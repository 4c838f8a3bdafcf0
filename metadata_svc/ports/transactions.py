"""Where writes happen: what every store of a transaction has in common.

- Work inside `Transactions.run` sees its own writes, holds its locks to the end, and happens as
  a whole or not at all. It may be run again, so it does nothing that a second run would spoil.
- Locks are taken in one order, which leaves no circle: an idempotency key, a new value
  id, the name's version, the live row, the namespace's activation of keepers, keepers in name
  order, other value ids, and at last the namespace's counter.
- Every method may raise UnavailableError; for a transaction that says nothing of its outcome.
- What `run` returns or raises, UnavailableError apart, no fail-over contradicts: by then every
  synchronous standby has whatever the transaction wrote or read.
- Every implementation passes the suites named at its port.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from metadata_svc.ports.history import History
from metadata_svc.ports.idempotency import IdempotencyStore
from metadata_svc.ports.keepers import KeeperStore
from metadata_svc.ports.secure_values import SecureValueStore
from metadata_svc.ports.value_ids import ValueIdStore

T = TypeVar("T")


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
    def idempotency(self) -> IdempotencyStore:
        """The keys under which creates were sent."""
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


class Replication(Protocol):
    """What makes an answer that rests on a read alone as lasting as a write."""

    async def replicated(self) -> None:
        """Whatever was read before, every synchronous standby has. Raises UnavailableError."""
        ...
