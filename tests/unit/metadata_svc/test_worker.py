"""The worker forgets both what watches read and what claims made."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from chassis.errors import UnavailableError
from metadata_svc.ports.transactions import Transaction, Transactions
from metadata_svc.use_cases.trim import TrimHistory, TrimOutcomes
from metadata_svc.worker import trim_until_stopped
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.stores import FakeDatabase

T = TypeVar("T")
NOW = timedelta(0)


class StoppedBy:
    """Sets `stopping` as soon as a transaction leaves things as they are waited for."""

    def __init__(
        self, inner: Transactions, stopping: asyncio.Event, done: Callable[[], bool]
    ) -> None:
        self._inner, self._stopping, self._done = inner, stopping, done

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        try:
            return await self._inner.run(work)
        finally:
            if self._done():
                self._stopping.set()


class Unavailable:
    asked = False

    async def run(self, _work: Callable[[Transaction], Awaitable[T]]) -> T:
        self.asked = True
        raise UnavailableError


async def test_history_and_outcomes_are_forgotten_until_the_process_stops(
    application: Application, stores: Stores, fake: FakeDatabase
) -> None:
    await application.create()
    stopping = asyncio.Event()
    transactions = StoppedBy(
        stores.transactions, stopping, lambda: not fake.tables.changes and _forgotten(fake)
    )

    with capture_logs() as logs:
        await trim_until_stopped(
            TrimHistory(transactions, NOW),
            TrimOutcomes(transactions, NOW),
            interval_seconds=60,
            stopping=stopping,
        )

    assert [(line["event"], line["what"], line["count"]) for line in logs] == [
        ("trimmed", "history", 1),
        ("trimmed", "outcomes", 1),
    ]


@pytest.mark.parametrize("failing", ["history", "outcomes"])
async def test_one_of_them_that_fails_does_not_hold_up_the_other(
    application: Application, stores: Stores, fake: FakeDatabase, failing: str
) -> None:
    await application.create()
    stopping, unavailable = asyncio.Event(), Unavailable()

    def done() -> bool:
        other = _forgotten(fake) if failing == "history" else not fake.tables.changes
        return unavailable.asked and other

    fails = StoppedBy(unavailable, stopping, done)
    works = StoppedBy(stores.transactions, stopping, done)
    with capture_logs() as logs:
        await trim_until_stopped(
            TrimHistory(fails if failing == "history" else works, NOW),
            TrimOutcomes(fails if failing == "outcomes" else works, NOW),
            interval_seconds=60,
            stopping=stopping,
        )

    failed = [line["worker"] for line in logs if line["event"] == "step failed"]
    assert failed == [f"trim {failing}"]


def _forgotten(fake: FakeDatabase) -> bool:
    return all(row.outcome is None for row in fake.tables.value_ids.values())
