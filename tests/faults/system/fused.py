"""Metadata's ports behind a fuse: every store call is a crash point, and so is every commit.

A process that dies inside a transaction leaves nothing of it: the server undoes it when the
connection breaks. Here the death is an exception, on which `transact` rolls back. After one
call of a transaction is before the next, so only the commit has an effect to die after.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from metadata_svc.ports.transactions import Transaction, Transactions
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.vault_svc.fuse import Death, Fuse

T = TypeVar("T")


def fused_stores(stores: Stores, fuse: Fuse) -> Stores:
    """The same stores, behind this fuse."""
    return replace(
        stores,
        transactions=FusedTransactions(stores.transactions, fuse),
        reader=fuse.before(stores.reader),
        keepers=fuse.before(stores.keepers),
        idempotency=fuse.before(stores.idempotency),
    )


@dataclass(frozen=True)
class FusedTransactions:
    inner: Transactions
    fuse: Fuse

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        if self.fuse.death is Death.AFTER:
            committed: T = await self.fuse.call(self.inner.run, work)
            return committed
        return await self.inner.run(lambda tx: self._fused(work, tx))

    async def _fused(self, work: Callable[[Transaction], Awaitable[T]], tx: Transaction) -> T:
        result = await work(cast(Transaction, _FusedTransaction(tx, self.fuse)))
        await self.fuse.call(_commit_is_next)
        return result


async def _commit_is_next() -> None:
    """All is done, nothing is committed."""


@dataclass(frozen=True)
class _FusedTransaction:
    inner: Transaction
    fuse: Fuse

    def __getattr__(self, name: str) -> Any:
        return self.fuse.before(getattr(self.inner, name))
