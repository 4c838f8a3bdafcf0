"""Wrapped fingerprint keys in Postgres."""

from dataclasses import dataclass
from datetime import datetime

from chassis.postgres import Database
from chassis.queries import load_queries
from vault_svc.domain.keyring import WrappedDataKey
from vault_svc.postgres.sealed_values import data_key_from_row


@dataclass(frozen=True, slots=True)
class _Queries:
    current: str
    keep: str
    give_up: str


class PostgresFingerprintKeyStore:
    """See ports.FingerprintKeyStore."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load_queries(_Queries, "vault_svc.postgres", "fingerprint_keys.sql")

    async def current(self, namespace: str) -> WrappedDataKey | None:
        row = await self._database.fetchrow(self._sql.current, namespace)
        return data_key_from_row(namespace, row) if row else None

    async def keep(self, key: WrappedDataKey, now: datetime) -> None:
        await self._database.write(
            self._sql.keep, key.namespace, key.data_key_id, key.kek_id, key.wrapped_key, now
        )

    async def give_up(self, key: WrappedDataKey) -> None:
        await self._database.write(self._sql.give_up, key.namespace, key.data_key_id)
