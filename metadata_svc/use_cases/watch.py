"""Watch: what happens to those of one kind that are selected and that the caller may read.

- Every watch reads the history itself, a few changes at a time and the next ones only when
  these are on their way: who reads slowly holds up nobody and costs no memory. Who is so slow
  that the history is trimmed meanwhile starts again (ExpiredError).
- Numbers of a namespace follow one another. One that is missing was trimmed.
- The first word comes at once: an event, or a bookmark where there is nothing else to tell. Who
  hears it knows that the watch stands, and who is refused hears nothing before.
- Each event is authorised by itself, just before it leaves: a token that is no longer accepted
  ends the watch, and a name that it does not cover is passed over.
- What there is at the start is read page by page. Each page is one state of the namespace;
  before it is told, the pages before it are brought to that state. So no older state of
  anything is told after a newer one, and nothing is remembered but how far the pages have come.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol

from chassis.caller import Caller
from chassis.errors import ExpiredError, FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.access import Scope
from metadata_svc.domain.event import Event, EventType, event_type
from metadata_svc.domain.listing import Place
from metadata_svc.domain.resource import Kind, ResourceT
from metadata_svc.domain.resource_rules import require_valid_namespace
from metadata_svc.domain.selector import (
    Selector,
    matches,
    require_valid_selector,
    selectable,
)
from metadata_svc.ports.changes import Changes, ChangesQuery, Entry, Past
from metadata_svc.ports.history import ChangeType
from metadata_svc.ports.reader import Page, PageQuery, Pages
from metadata_svc.use_cases.access import readable
from metadata_svc.use_cases.commits import Commits, Waiting
from metadata_svc.use_cases.history import require_kept
from metadata_svc.use_cases.kinds import FIELDS, READ
from metadata_svc.use_cases.watch_shares import WatchShares

CallerNow = Callable[[], Awaitable[Caller]]
"""Who is watching. Raises UnauthenticatedError once the token is no longer accepted."""

# What a watch holds at a time: so many items or changes, and of more than one so many bytes.
PAGE_SIZE = 100
PAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What is watched, and from where: after that number, or from what there is."""

    namespace: str
    selector: Selector = field(default_factory=Selector)
    after: int = 0
    initial: bool = False


class WatchTelemetry(Protocol):
    """Counts what watches do; a fake in the tests of the use case."""

    def event_sent(self, kind: Kind, event_type: EventType) -> None:
        """One more event is on its way to its watcher."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watches(Generic[ResourceT]):
    """What a caller with the read action may watch.

    A watch reads in its turn: of all watches, `reading` bounds how many read at a time, so that
    a write that wakes a thousand of them holds up no other call.
    """

    kind: Kind
    pages: Pages[ResourceT]
    changes: Changes[ResourceT]
    commits: Commits
    reading: asyncio.Semaphore
    shares: WatchShares
    telemetry: WatchTelemetry
    bookmark_seconds: float
    page_size: int = PAGE_SIZE

    async def events(
        self, caller_now: CallerNow, request: WatchRequest
    ) -> AsyncGenerator[Event[ResourceT], None]:
        """What happens, without an end.

        Raises PermissionDeniedError without any read right, InvalidArgumentError,
        ResourceExhaustedError when the caller watches too much already, ExpiredError when the
        history is not kept, UnauthenticatedError when the token is not accepted any more,
        UnavailableError.
        """
        caller = await caller_now()
        scope = readable(caller, READ[self.kind], request.namespace)
        require_valid_namespace(request.namespace)
        require_valid_selector(request.selector, FIELDS[self.kind])
        if request.after < 0:
            violation = FieldViolation("resourceVersion", Rule.INVALID, "must not be negative")
            raise InvalidArgumentError(violations=(violation,))
        with self.shares.of(caller), self.commits.of(request.namespace) as waiting:
            watch = _Watch(self, request, waiting, scope)
            while True:
                for event in await watch.next():
                    watch.scope = readable(
                        await caller_now(), READ[self.kind], request.namespace
                    )
                    if event.item is None or watch.scope.covers(event.item.name):
                        self.telemetry.event_sent(self.kind, event.type)
                        yield event
                        watch.note_told()


class _Watch(Generic[ResourceT]):
    """One watch, and how far it has come.

    Everything up to the number `position` has been told; while what there is at the start is
    being listed, only of the names up to `listed`.
    """

    def __init__(
        self, watches: Watches[ResourceT], request: WatchRequest, waiting: Waiting, scope: Scope
    ) -> None:
        self._watches, self._request, self._waiting = watches, request, waiting
        self.scope = scope
        self._position = request.after
        self._listing = request.initial
        self._listed = ""
        self._page: Page[ResourceT] | None = None  # the next to be told
        self._next_bookmark = _now()

    def note_told(self) -> None:
        """The watcher has just heard of this watch."""
        self._next_bookmark = _now() + self._watches.bookmark_seconds

    async def next(self) -> Sequence[Event[ResourceT]]:
        """The next events; none, if there was nothing for a while or nothing selected."""
        return await (self._next_of_listing() if self._listing else self._next_changes())

    async def _next_of_listing(self) -> Sequence[Event[ResourceT]]:
        if self._page is None:
            self._page = await self._read_page()
        if self._listed and self._position < self._page.resource_version:
            entries = (await self._read_changes()).entries
            return self._told(
                e for e in entries if e.resource_version <= self._page.resource_version
            )
        return self._told_page(self._page)

    def _told_page(self, page: Page[ResourceT]) -> Sequence[Event[ResourceT]]:
        self._page, self._listing, self._position = None, page.more, page.resource_version
        added = [
            Event(type=EventType.ADDED, resource_version=self._position, item=item)
            for item in page.items
        ]
        if page.next is not None:
            self._listed = page.next.name
            return added
        end: Event[ResourceT] = Event(
            type=EventType.BOOKMARK, resource_version=self._position, initial_end=True
        )
        return [*added, end]

    async def _next_changes(self) -> Sequence[Event[ResourceT]]:
        next_write = self._waiting.next_write  # before reading: no write in between is missed
        entries = (await self._read_changes()).entries
        if told := self._told(entries):
            return told
        if not entries:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._next_bookmark - _now()):
                    await next_write.wait()
        if _now() < self._next_bookmark:
            return ()
        return (Event(type=EventType.BOOKMARK, resource_version=self._position),)

    def _told(self, entries: Iterable[Entry[ResourceT]]) -> list[Event[ResourceT]]:
        events = []
        for entry in entries:
            self._position = entry.resource_version
            event = self._event(entry)
            if event is not None:
                events.append(event)
        return events

    def _event(self, entry: Entry[ResourceT]) -> Event[ResourceT] | None:
        change = entry.change
        if change is None or (self._listing and change.after.name > self._listed):
            return None  # its page is still to come
        before, after = change.before, change.after
        gone = change.type is ChangeType.DELETED
        seen = event_type(
            selected_before=before is not None and self._selects(before),
            selected_after=not gone and self._selects(after),
        )
        if seen is None:
            return None
        # Who leaves the selection is told as it was selected, for watchers who select again.
        last = before if seen is EventType.DELETED and before is not None else after
        number = entry.resource_version
        return Event(
            type=seen,
            resource_version=number,
            item=replace(last, resource_version=number),
        )

    def _selects(self, resource: ResourceT) -> bool:
        return matches(self._request.selector, selectable(resource))

    async def _read_page(self) -> Page[ResourceT]:
        query = PageQuery(
            namespace=self._request.namespace,
            scope=self.scope,
            selector=self._request.selector,
            after=Place(self._listed),
            limit=self._watches.page_size,
            max_bytes=PAGE_BYTES,
        )
        async with self._watches.reading:
            page = await self._watches.pages.page(query)
        if page.resource_version < self._position:
            raise ExpiredError  # what the watcher saw is not what happened here
        return page

    async def _read_changes(self) -> Past[ResourceT]:
        query = ChangesQuery(
            namespace=self._request.namespace,
            scope=self.scope,
            after=self._position,
            limit=self._watches.page_size,
            max_bytes=PAGE_BYTES,
        )
        async with self._watches.reading:
            past = await self._watches.changes.after(query)
        require_kept(past, after=self._position)
        return past


def _now() -> float:
    return asyncio.get_running_loop().time()
