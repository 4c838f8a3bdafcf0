"""Every port on one database."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from chassis.postgres import Database
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.postgres import changes
from metadata_svc.postgres.changes import (
    PostgresChanges,
    PostgresCounters,
    load_change_queries,
)
from metadata_svc.postgres.idempotency import (
    PostgresIdempotencyReader,
    load_idempotency_queries,
)
from metadata_svc.postgres.keepers import PostgresKeeperReader, load_keeper_queries
from metadata_svc.postgres.ordered_pages import (
    PostgresOrderedPages,
    load_ordered_page_queries,
)
from metadata_svc.postgres.pages import (
    PostgresKeeperPages,
    PostgresSecureValuePages,
    load_page_queries,
)
from metadata_svc.postgres.reader import PostgresReader, load_reader_queries
from metadata_svc.postgres.transactions import (
    Announce,
    PostgresTransactions,
    load_transaction_queries,
)


def _to_nobody(_namespaces: Iterable[str]) -> None:
    """Nobody in this process waits for commits."""


@dataclass(frozen=True, slots=True)
class PostgresStores:
    """See metadata_svc/ports/."""

    reader: PostgresReader
    keepers: PostgresKeeperReader
    transactions: PostgresTransactions
    replication: Database
    secure_value_pages: PostgresSecureValuePages
    keeper_pages: PostgresKeeperPages
    secure_value_changes: PostgresChanges[SecureValue]
    keeper_changes: PostgresChanges[Keeper]
    counters: PostgresCounters
    idempotency: PostgresIdempotencyReader

    @classmethod
    def on(cls, database: Database, *, announce: Announce = _to_nobody) -> Self:
        """The statements are read from their files here. Commits are announced at once."""
        pages, past = load_page_queries(), load_change_queries()
        return cls(
            PostgresReader(database, load_reader_queries()),
            PostgresKeeperReader(database, load_keeper_queries()),
            PostgresTransactions(database, load_transaction_queries(), announce),
            database,
            PostgresSecureValuePages(
                database, pages, PostgresOrderedPages(database, load_ordered_page_queries())
            ),
            PostgresKeeperPages(database, pages),
            PostgresChanges(database, past, changes.SECURE_VALUES),
            PostgresChanges(database, past, changes.KEEPERS),
            PostgresCounters(database, past),
            PostgresIdempotencyReader(database, load_idempotency_queries()),
        )
