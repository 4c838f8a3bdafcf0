"""Transactions. See ports.Transactions."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from chassis.postgres import Connection, Database
from metadata_svc.ports.transactions import Transaction
from metadata_svc.postgres.history import (
    HistoryQueries,
    PostgresHistory,
    load_history_queries,
)
from metadata_svc.postgres.idempotency import (
    IdempotencyQueries,
    PostgresIdempotencyStore,
    load_idempotency_queries,
)
from metadata_svc.postgres.keepers import (
    KeeperQueries,
    PostgresKeeperStore,
    load_keeper_queries,
)
from metadata_svc.postgres.secure_values import (
    PostgresSecureValueStore,
    SecureValueQueries,
    load_secure_value_queries,
)
from metadata_svc.postgres.value_ids import (
    PostgresValueIdStore,
    ValueIdQueries,
    load_value_id_queries,
)

T = TypeVar("T")

Announce = Callable[[Iterable[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionQueries:
    """The statements of every store."""

    secure_values: SecureValueQueries
    value_ids: ValueIdQueries
    keepers: KeeperQueries
    history: HistoryQueries
    idempotency: IdempotencyQueries


def load_transaction_queries() -> TransactionQueries:
    """The statements as the files have them."""
    return TransactionQueries(
        secure_values=load_secure_value_queries(),
        value_ids=load_value_id_queries(),
        keepers=load_keeper_queries(),
        history=load_history_queries(),
        idempotency=load_idempotency_queries(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresTransaction:
    """The stores of one connection's transaction."""

    secure_values: PostgresSecureValueStore
    value_ids: PostgresValueIdStore
    keepers: PostgresKeeperStore
    history: PostgresHistory
    idempotency: PostgresIdempotencyStore


@dataclass(frozen=True, slots=True)
class PostgresTransactions:
    """See ports.Transactions. The namespaces that a transaction wrote to are announced."""

    database: Database
    queries: TransactionQueries
    announce: Announce

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        advanced: set[str] = set()
        result = await self.database.transact(
            lambda connection: work(self._stores(connection, advanced))
        )
        self.announce(advanced)
        return result

    def _stores(self, connection: Connection, advanced: set[str]) -> PostgresTransaction:
        return PostgresTransaction(
            secure_values=PostgresSecureValueStore(connection, self.queries.secure_values),
            value_ids=PostgresValueIdStore(connection, self.queries.value_ids),
            keepers=PostgresKeeperStore(connection, self.queries.keepers),
            history=PostgresHistory(connection, self.queries.history, advanced),
            idempotency=PostgresIdempotencyStore(connection, self.queries.idempotency),
        )
