"""Watches on some stores, and who believes what they say."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic

from chassis.caller import Caller
from metadata_svc.domain.event import Event, EventType
from metadata_svc.domain.resource import Kind, ResourceT
from metadata_svc.domain.selector import Selector
from metadata_svc.use_cases.commits import Commits
from metadata_svc.use_cases.watch import CallerNow, Watches, WatchRequest
from metadata_svc.use_cases.watch_shares import WatchShares
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import NAMESPACE, a_caller

PATIENCE_SECONDS = 20.0
EVERYTHING = Selector()


class CountingTelemetry:
    """See use_cases.watch.WatchTelemetry."""

    def __init__(self) -> None:
        self.sent: Counter[tuple[Kind, EventType]] = Counter()

    def event_sent(self, kind: Kind, event_type: EventType) -> None:
        self.sent[kind, event_type] += 1


class Watcher(Generic[ResourceT]):
    """Believes every event, and that none is told of what it does not know."""

    def __init__(self, events: AsyncGenerator[Event[ResourceT], None], since: int = 0) -> None:
        self._events = events
        self.known: dict[str, ResourceT] = {}
        self.told: list[Event[ResourceT]] = []
        self.position = since

    async def next(self) -> Event[ResourceT]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            event = await anext(self._events)
        self.told.append(event)
        assert event.resource_version >= self.position
        self.position = event.resource_version
        if event.item is not None:
            self._believe(event, event.item)
        return event

    def _believe(self, event: Event[ResourceT], item: ResourceT) -> None:
        known = self.known.pop(item.name, None)
        assert (known is None) is (event.type is EventType.ADDED), (event, known)
        assert known is None or known.resource_version < item.resource_version
        if event.type is not EventType.DELETED:
            self.known[item.name] = item

    async def up_to(self, number: int) -> list[tuple[str, str, int]]:
        """What it was told until it knew of everything up to the number, but bookmarks."""
        start = len(self.told)
        event = await self.next()
        while event.type is not EventType.BOOKMARK or event.resource_version < number:
            event = await self.next()
        return [
            (event.type.value, event.item.name, event.resource_version)
            for event in self.told[start:]
            if event.item is not None
        ]


class Watching:
    """The watches of both kinds; a bookmark comes soon, and pages are small."""

    def __init__(self, stores: Stores, **settings: Any) -> None:
        self.stores = stores
        self.commits = Commits()
        self.telemetry = CountingTelemetry()
        shared: dict[str, Any] = {
            "commits": self.commits,
            "reading": asyncio.Semaphore(2),
            "telemetry": self.telemetry,
            "shares": WatchShares(100),
            "bookmark_seconds": 0.02,
            "page_size": 2,
        } | settings
        self.secure_values = Watches(
            kind=Kind.SECURE_VALUE,
            pages=stores.secure_value_pages,
            changes=shared.pop("changes", stores.secure_value_changes),
            **shared,
        )
        self.keepers = Watches(
            kind=Kind.KEEPER, pages=stores.keeper_pages, changes=stores.keeper_changes, **shared
        )

    @asynccontextmanager
    async def watcher(
        self,
        selector: Selector = EVERYTHING,
        *,
        caller: Caller | CallerNow | None = None,
        watches: Watches[Any] | None = None,
        **request: Any,
    ) -> AsyncIterator[Watcher[Any]]:
        """Someone who watches the namespace, from 0 unless asked otherwise."""
        who = caller or a_caller()

        async def caller_now() -> Caller:
            return who if isinstance(who, Caller) else await who()

        wanted = WatchRequest(namespace=NAMESPACE, selector=selector, **request)
        events = (watches or self.secure_values).events(caller_now, wanted)
        try:
            yield Watcher(events, wanted.after)
        finally:
            await events.aclose()

    @asynccontextmanager
    async def polled(self, interval_seconds: float = 0.005) -> AsyncIterator[None]:
        """Inside the block writes of others are looked for."""

        async def poll() -> None:
            while True:
                await self.commits.poll(self.stores.counters)
                await asyncio.sleep(interval_seconds)

        polling = asyncio.ensure_future(poll())
        try:
            yield
        finally:
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
