"""No history breaks the vault, in memory or on Postgres."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.fakes.vault_svc.stores import (
    InMemoryDataKeyStore,
    InMemoryFingerprintKeyStore,
    InMemorySealedValueStore,
    Rows,
)
from tests.stateful.vault_svc.histories import Histories, Stores
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.fingerprint_keys import PostgresFingerprintKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore

SLOW_IS_WELL = [HealthCheck.too_slow, HealthCheck.data_too_large]


class InMemoryHistories(Histories):
    async def open_stores(self) -> Stores:
        rows = Rows()
        return (
            InMemorySealedValueStore(rows),
            InMemoryDataKeyStore(rows),
            InMemoryFingerprintKeyStore(rows),
        )


class PostgresHistories(Histories):
    dsn: Sensitive[str]

    async def open_stores(self) -> Stores:
        self.database = await Database.connect(
            self.dsn, application_name="histories", connections=1
        )
        await self.database.execute("TRUNCATE sealed_values, data_keys")
        return (
            PostgresSealedValueStore(self.database),
            PostgresDataKeyStore(self.database),
            PostgresFingerprintKeyStore(self.database),
        )

    async def close_stores(self) -> None:
        await self.database.close()


def test_no_history_in_memory_breaks_it() -> None:
    run_state_machine_as_test(
        InMemoryHistories,
        settings=settings(
            max_examples=100,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=SLOW_IS_WELL,
        ),
    )


def test_no_history_on_postgres_breaks_it(vault_dsn: Sensitive[str]) -> None:
    class OnThisDatabase(PostgresHistories):
        dsn = vault_dsn

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=SLOW_IS_WELL,
        ),
    )
