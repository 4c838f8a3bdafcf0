"""The worker forgets what watches read, what claims made, and the keys of creates."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs

from chassis.errors import UnavailableError
from metadata_svc.domain.idempotency import Fingerprint, Idempotency
from metadata_svc.ports.transactions import Transaction, Transactions
from metadata_svc.use_cases.trim import TrimHistory, TrimIdempotency, TrimOutcomes
from metadata_svc.worker import trim_until_stopped
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import a_draft
from tests.fakes.metadata_svc.stores import FakeDatabase
from tests.fakes.metadata_svc.tables import Tables

T = TypeVar("T")
Kind = tuple[Callable[[Transactions, timedelta], Any], Callable[[Tables], bool]]
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


KINDS: dict[str, Kind] = {
    "history": (TrimHistory, lambda tables: not tables.changes),
    "outcomes": (
        TrimOutcomes,
        lambda tables: all(row.outcome is None for row in tables.value_ids.values()),
    ),
    "idempotency keys": (TrimIdempotency, lambda tables: not tables.idempotency),
}


async def test_all_that_is_old_is_forgotten_until_the_process_stops(
    application: Application, stores: Stores, fake: FakeDatabase
) -> None:
    await application.create_once(Idempotency("k", Fingerprint(bytes(32))), a_draft())
    stopping = asyncio.Event()
    transactions = StoppedBy(
        stores.transactions, stopping, lambda: _forgotten(fake, but_for=None)
    )

    with capture_logs() as logs:
        await trim_until_stopped(
            {what: kind(transactions, NOW).trim for what, (kind, _) in KINDS.items()},
            interval_seconds=60,
            stopping=stopping,
        )

    assert [(line["event"], line["what"], line["count"]) for line in logs] == [
        ("trimmed", what, 1) for what in KINDS
    ]


@pytest.mark.parametrize("failing", KINDS)
async def test_one_that_fails_does_not_hold_up_the_others(
    application: Application, stores: Stores, fake: FakeDatabase, failing: str
) -> None:
    await application.create_once(Idempotency("k", Fingerprint(bytes(32))), a_draft())
    stopping, unavailable = asyncio.Event(), Unavailable()

    def done() -> bool:
        return unavailable.asked and _forgotten(fake, but_for=failing)

    fails = StoppedBy(unavailable, stopping, done)
    works = StoppedBy(stores.transactions, stopping, done)
    with capture_logs() as logs:
        await trim_until_stopped(
            {
                what: kind(fails if what == failing else works, NOW).trim
                for what, (kind, _) in KINDS.items()
            },
            interval_seconds=60,
            stopping=stopping,
        )

    failed = [line["worker"] for line in logs if line["event"] == "step failed"]
    assert failed == [f"trim {failing}"]


def _forgotten(fake: FakeDatabase, *, but_for: str | None) -> bool:
    return all(gone(fake.tables) for what, (_, gone) in KINDS.items() if what != but_for)
