"""Watches: what happens to one kind's objects, as a stream of events."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import KnownError
from chassis.request_id import current_request_id
from chassis.sensitive import Sensitive
from gateway.bodies.request_json import JsonObject
from gateway.clients.resources import Event, PageAsk, Resources, WatchAsk
from gateway.edge.request_state import form_of
from gateway.kinds import Target
from gateway.queries.ordering import refuse_ordering
from gateway.queries.query import Query, query_from
from gateway.queries.resource_versions import WatchStart, check_exists, watch_start_from
from gateway.rendering.events import BOOKMARK, bookmark_of, error_line, event_line
from gateway.rendering.forms import Form
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.resources.event_streams import EventStream, Streaming
from gateway.selectors.selection import selection_from
from gateway.status import failure_of
from protos.splitkeep.metadata.v1.selector_pb2 import Selector
from protos.splitkeep.metadata.v1.watch_pb2 import EventType

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")

TYPES = {
    EventType.EVENT_TYPE_ADDED: "ADDED",
    EventType.EVENT_TYPE_MODIFIED: "MODIFIED",
    EventType.EVENT_TYPE_DELETED: "DELETED",
    EventType.EVENT_TYPE_BOOKMARK: BOOKMARK,
}

SPARE_SECONDS = 5.0
"""The services are given this much longer than the client: it is the gateway that ends."""


@dataclass(frozen=True, slots=True)
class WatchQuery:
    """What is watched, from where, and whether a client wants to hear how far it has come."""

    target: Target
    selector: Selector
    start: WatchStart
    bookmarks: bool
    seconds: int
    """0 when the client asks for no time."""


def watch_query_from(query: Query, target: Target) -> WatchQuery:
    """Raises BadRequestError; InvalidArgumentError: parameters do not go together."""
    refuse_ordering(query, "is for lists, not for watches")
    return WatchQuery(
        target=target,
        selector=selection_from(query, target),
        start=watch_start_from(query),
        bookmarks=query.flag("allowWatchBookmarks"),
        seconds=query.count("timeoutSeconds"),
    )


class Watches(Generic[ItemT, WriteT]):
    """Watches of one kind."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
        streaming: Streaming,
    ) -> None:
        self._client = client
        self._representation = representation
        self._streaming = streaming

    async def watch(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """GET of the collection with `watch`: 200 and events, while there are any."""
        asked = watch_query_from(query_from(request.scope["query_string"]), target)
        after = await self._starting_point(asked, token)
        seconds = self._seconds(asked)
        ask = WatchAsk(
            namespace=target.namespace,
            selector=asked.selector,
            after_resource_version=after,
            initial=asked.start.initial,
        )
        events = self._client.watch(ask, seconds=seconds + SPARE_SECONDS, token=token)
        return EventStream(
            self._lines(events, asked, form_of(request.scope)),
            partial(_last_line, target),
            seconds=seconds,
            streaming=self._streaming,
        )

    async def _starting_point(self, asked: WatchQuery, token: Sensitive[str]) -> int:
        """After which version the events begin. Asks for the counter only if it matters."""
        start = asked.start
        if start.initial != bool(start.after):
            return start.after
        ask = PageAsk(namespace=asked.target.namespace, selector=asked.selector, page_size=1)
        counter = (await self._client.list_page(ask, token=token)).resource_version
        check_exists(start.after, counter)
        return 0 if start.initial else counter

    def _seconds(self, asked: WatchQuery) -> float:
        """Watches that begin together, after a restart, do not all end together."""
        least = self._streaming.least_seconds
        if asked.seconds:
            return min(asked.seconds, 2 * least)
        return random.uniform(least, 2 * least)  # noqa: S311  # nobody gains by guessing it

    async def _lines(
        self, events: AsyncGenerator[Event[ItemT], None], asked: WatchQuery, form: Form
    ) -> AsyncGenerator[bytes, None]:
        """A line an event; an empty one for what this client does not want to hear."""
        clock = asyncio.get_running_loop().time
        began = clock()
        async with aclosing(events):
            async for event in events:
                if event.item is None and not asked.bookmarks:
                    yield b""
                    continue
                now = form.now + timedelta(seconds=clock() - began)
                document = self._document(event, asked)
                yield event_line(TYPES[event.type], document, form, now=now)

    def _document(self, event: Event[ItemT], asked: WatchQuery) -> JsonObject:
        """What is gone carries the version that it went at: clients go on from there."""
        target = asked.target
        if event.item is None:
            initial_end = event.initial_end and asked.start.tells_initial_end
            return bookmark_of(target, event.resource_version, initial_end=initial_end)
        document = self._representation.to_json(event.item, target)
        if event.type == EventType.EVENT_TYPE_DELETED:
            metadata = document["metadata"]
            if isinstance(metadata, dict):
                metadata["resourceVersion"] = str(event.resource_version)
        return document


def _last_line(target: Target, error: KnownError) -> bytes:
    failure = failure_of(error, target=target, request_id=current_request_id() or "")
    return error_line(failure.body)
