"""An answer that goes on: lines of JSON as things happen, until somebody has had enough.

- It ends after its time, when the process drains, when the client has gone, or with what it
  reads from. What ends it well ends the body well: a client goes on from the last version seen.
- What fails before the first byte is an ordinary failure, with its own status code. Later a
  last line of type ERROR tells what a client must act on; what a client would only repeat ends
  the body without a word.
- Nothing is read ahead of the client: the next event is asked for when the last one is written.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis.errors import (
    DeadlineExceededError,
    KnownError,
    ResourceExhaustedError,
    UnavailableError,
)
from gateway.edge.http_metrics import HttpMetrics
from gateway.edge.request_state import accept_caller, route_of, set_watch
from gateway.edge.room import Room
from gateway.errors import ClientGoneError

OPENING_SECONDS = 5.0
"""How long a failure may take to be told by its status code, where nothing is told first.

The first word of a watch that stands comes at once: nobody waits so long unless a part is slow.
"""

CLOSING_SECONDS = 1.0
"""For a client that is not reading, until it is cut off."""

PASSING = (UnavailableError, DeadlineExceededError, ResourceExhaustedError)
"""The same watch, opened again, may go on."""

_HEADERS = ((b"content-type", b"application/json"),)

_log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """What all event streams of the process share."""

    room: Room
    draining: asyncio.Event
    metrics: HttpMetrics
    least_seconds: float
    """How long a stream lasts for who asks for no time; at most twice as long for anybody."""


class EventStream(Response):
    """Served outside the room for requests: it has a place among its own."""

    def __init__(
        self,
        lines: AsyncGenerator[bytes, None],
        last_line: Callable[[KnownError], bytes],
        *,
        seconds: float,
        streaming: Streaming,
    ) -> None:
        super().__init__(media_type="application/json")
        self._lines = lines
        self._last_line = last_line
        self._seconds = seconds
        self._streaming = streaming
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises KnownError, ClientGoneError: nothing was sent."""
        route = route_of(scope)
        set_watch(scope)
        async with self._streaming.room, aclosing(self._lines):
            with self._streaming.metrics.watching(route):
                gone = await self._served(scope, receive, send)
        if not gone:
            await self._end(send)
        elif not self._begun:
            raise ClientGoneError

    async def _served(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether it was the client that ended it."""
        writing = asyncio.create_task(self._write(scope, send))
        leaving = asyncio.create_task(_left(receive))
        draining = asyncio.create_task(self._streaming.draining.wait())
        tasks = (writing, leaving, draining)
        try:
            await asyncio.wait(
                tasks, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not writing.cancelled():
            writing.result()
        return not leaving.cancelled()

    async def _write(self, scope: Scope, send: Send) -> None:
        route = route_of(scope)
        upcoming = asyncio.ensure_future(anext(self._lines, None))
        try:
            await asyncio.wait({upcoming}, timeout=OPENING_SECONDS)
            if upcoming.done():
                upcoming.result()
            await self._begin(send)
            _log.info("watch started", route=route)
            while (line := await upcoming) is not None:
                accept_caller(scope)
                if line:
                    await _send(send, line)
                upcoming = asyncio.ensure_future(anext(self._lines, None))
        except KnownError as error:
            if not self._begun:
                raise
            await self._tell(error, route, send)
        finally:
            upcoming.cancel()
            await asyncio.wait({upcoming})

    async def _tell(self, error: KnownError, route: str, send: Send) -> None:
        _log.info("watch ended", route=route, reason=type(error).__name__)
        if not isinstance(error, PASSING):
            await _send(send, self._last_line(error))

    async def _begin(self, send: Send) -> None:
        self._begun = True
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})

    async def _end(self, send: Send) -> None:
        """A client that does not read gets no end, and is cut off."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                if not self._begun:
                    await self._begin(send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, line: bytes) -> None:
    await send({"type": "http.response.body", "body": line, "more_body": True})


async def _left(receive: Receive) -> None:
    """Returns when the client is gone. What it sends meanwhile is not looked at."""
    while (await receive())["type"] != "http.disconnect":
        pass
