"""Dying at a chosen call of the ports: before it takes effect, or after, its answer lost."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, TypeVar

from metadata_svc.ports.transactions import Transaction, Transactions

T = TypeVar("T")


class Moment(Enum):
    """On which side of the effect."""

    BEFORE = "before"
    AFTER = "after"


class BlownError(Exception):
    """The process died here."""


class Fuse:
    """Counts calls; blows once, at the n-th (from 0)."""

    def __init__(self, at: int, moment: Moment) -> None:
        self._at, self._moment = at, moment
        self.calls = 0

    async def around(self, effect: Callable[[], Awaitable[T]]) -> T:
        number, self.calls = self.calls, self.calls + 1
        if number == self._at and self._moment is Moment.BEFORE:
            raise BlownError
        answer = await effect()
        if number == self._at:
            raise BlownError
        return answer


class FusedTransactions:
    """See ports.Transactions; a commit is a call too."""

    def __init__(self, inner: Transactions, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async def fused(tx: Transaction) -> T:
            return await work(_FusedTransaction(tx, self._fuse))

        return await self._fuse.around(lambda: self._inner.run(fused))


class _FusedTransaction:
    def __init__(self, tx: Transaction, fuse: Fuse) -> None:
        self.secure_values: Any = _FusedStore(tx.secure_values, fuse)
        self.value_ids: Any = _FusedStore(tx.value_ids, fuse)
        self.keepers: Any = _FusedStore(tx.keepers, fuse)
        self.history: Any = _FusedStore(tx.history, fuse)
        self.idempotency: Any = _FusedStore(tx.idempotency, fuse)


class _FusedStore:
    def __init__(self, store: object, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, name)

        async def fused(*args: Any, **kwargs: Any) -> Any:
            return await self._fuse.around(lambda: method(*args, **kwargs))

        return fused
