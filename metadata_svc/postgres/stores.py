"""Every port on one database."""

from dataclasses import dataclass
from typing import Self

from chassis.postgres import Database
from metadata_svc.postgres.keepers import PostgresKeeperReader, load_keeper_queries
from metadata_svc.postgres.reader import PostgresReader, load_reader_queries
from metadata_svc.postgres.transactions import PostgresTransactions, load_transaction_queries


@dataclass(frozen=True, slots=True)
class PostgresStores:
    """See metadata_svc/ports/."""

    reader: PostgresReader
    keepers: PostgresKeeperReader
    transactions: PostgresTransactions

    @classmethod
    def on(cls, database: Database) -> Self:
        """The statements are read from their files here."""
        return cls(
            PostgresReader(database, load_reader_queries()),
            PostgresKeeperReader(database, load_keeper_queries()),
            PostgresTransactions(database, load_transaction_queries()),
        )
