"""Histories in memory and on Postgres, and the faults that they would find."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.value_id import ValueKey, ValueRecord
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.stores import FakeDatabase, FakeValueIdStore, fake_stores
from tests.integration.metadata_svc.conftest import postgres_stores
from tests.stateful.metadata_svc.machine import MetadataHistory

QUIET = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
IN_MEMORY = settings(
    max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=QUIET
)
ON_POSTGRES = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=QUIET,
    database=None,
)


class HistoryInMemory(MetadataHistory):
    async def open_stores(self) -> Stores:
        return fake_stores(FakeDatabase())


def test_every_history_in_memory_goes_as_the_model_says() -> None:
    run_state_machine_as_test(HistoryInMemory, settings=IN_MEMORY)


def test_every_history_on_postgres_goes_as_the_model_says(
    metadata_dsn: Sensitive[str],
) -> None:
    class HistoryOnPostgres(MetadataHistory):
        async def open_stores(self) -> Stores:
            self.database = await Database.connect(
                metadata_dsn, application_name="history", connections=1
            )
            return postgres_stores(self.database)

        async def close_stores(self) -> None:
            await self.database.close()

    run_state_machine_as_test(HistoryOnPostgres, settings=ON_POSTGRES)


# A fault that is there is not made small: it is enough that it is found.
UNTIL_A_FAULT = settings(
    IN_MEMORY, max_examples=500, phases=[Phase.generate], report_multiple_bugs=False
)


async def _claim_whatever_was_decided(
    self: FakeValueIdStore, key: ValueKey
) -> ValueRecord | None:
    self._rows.pop(key, None)
    return await FORMER_CLAIM(self, key)


FORMER_CLAIM = FakeValueIdStore.claim


def test_a_claim_that_skips_the_key_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeValueIdStore, "claim", _claim_whatever_was_decided)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(HistoryInMemory, settings=UNTIL_A_FAULT)
