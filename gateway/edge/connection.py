"""One HTTP/1.1 connection: uvicorn's, with bounds on what a client may hold open or make grow.

- A request's head arrives within `head_seconds` and within `head_bytes`; so does whatever else
  brings a request no further, such as trailers without end.
- Until a service has accepted a credential on it, a connection counts against its source.
- A client that stops reading its answer is cut off after `write_seconds`.
- No more than MOST_WAITING requests wait for the answers before theirs.
- A client that is gone without a word is found out in about a minute, also while there is
  nothing to send to it: a watch may be silent for long.
- What is no HTTP is answered with a `Status` as everything else is.
- A trailer field is ignored. Only what stands before the body counts as a header.
"""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from chassis.connection_slots import Slot
from chassis.http_connection import HttpConnection
from chassis.line_limit import LineLimit
from chassis.log_level import LogLevel
from chassis.request_id import accepted_or_new
from gateway.edge.exchange import REQUEST_ID_HEADER, SECURITY_HEADERS
from gateway.edge.request_head import check_connection, check_host, check_target
from gateway.edge.request_state import set_slot
from gateway.edge.upgrades import asks_for_websocket, check_handshake
from gateway.errors import BadRequestError, HeadTooLargeError, HttpError
from gateway.status import failure_of

DEAD_PEER_OPTIONS = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}
"""Seconds of silence, seconds between questions, questions; milliseconds without a receipt.
Not every operating system has all of them.
"""

MOST_WAITING = 16
"""Requests that wait on a connection for the answers before theirs. One takes 40 times the
memory of its text, and a single read brings thousands.
"""

_REFUSED = LineLimit("connection refused", LogLevel.INFO)
LATE_HEAD, BAD_HEAD, NOT_READING = "late_head", "bad_head", "not_reading"
"""Why connections are cut off, as metrics name it."""


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """What one client may take."""

    head_bytes: int = 65_536
    head_seconds: float = 10.0
    write_seconds: float = 60.0


class BoundedConnection(HttpConnection):
    """See the module's first lines."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        slot: Slot,
        bounds: ConnectionBounds,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, slot=slot)
        self._bounds = bounds
        self._idle_bytes = 0
        self._in_head = True
        self._is_upgraded = False
        self._refusal: HttpError | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begins to wait for the first request."""
        super().connection_made(transport)
        notice_dead_peer(transport.get_extra_info("socket"))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends every timer, and forgets the requests that have waited."""
        self._stop_head_timer()
        self._stop_write_timer()
        self.pipeline.clear()
        super().connection_lost(exc)
        # It and the connection hold one another; nothing would free both soon.
        self.cycle = None  # type: ignore[assignment]  # as before the first request

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, then looks whether the data brought a request any further."""
        if self.transport.is_closing():
            return
        self._idle_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self._is_upgraded:
            return
        if self._idle_bytes > self._bounds.head_bytes:
            self._refuse(HeadTooLargeError())
        elif not self._is_serving():
            self._await_head()

    def on_message_begin(self) -> None:
        """A request's head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which the parser reports in the same way.

        A trailer may be discarded (RFC 9112 §7.1.2). It must not become a header: the checks of
        the head are over, and whatever stands before the gateway has seen no such header.
        """
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request begins."""
        self._in_head = False
        try:
            self._check_head()
        except HttpError as error:
            self._refusal = error
            raise  # reaches data_received as one of the parser's errors
        set_slot(self.scope["state"], self.slot)
        super().on_headers_complete()
        self._idle_bytes = 0
        self._stop_head_timer()

    def on_body(self, body: bytes) -> None:
        """A body goes on."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._idle_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered; nothing of it stays with a connection that stays open."""
        self._forget_request()
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection is another object's from here on."""
        self._is_upgraded = True
        self._stop_head_timer()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # our own text takes its place
        """What arrived is no HTTP, or too much of it."""
        invalid = BadRequestError("the request is not valid HTTP/1.1")
        self._refuse(self._refusal or invalid)

    def pause_writing(self) -> None:
        """The client is not reading; it has some time to go on."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(
                self._bounds.write_seconds, self._cut_off_unread
            )

    def _cut_off_unread(self) -> None:
        self.slot.refused(NOT_READING)
        self.transport.abort()

    def resume_writing(self) -> None:
        """The client is reading again."""
        self._stop_write_timer()
        super().resume_writing()

    def _check_head(self) -> None:
        """Raises BadRequestError, HeadTooLargeError."""
        if len(self.pipeline) >= MOST_WAITING:
            raise BadRequestError("too many requests are sent before they are answered")
        if self.parser.should_upgrade() and _brings_body(self.headers):
            # The parser leaves such a body unread, and the request would count as one without.
            raise BadRequestError("a request for an upgrade must not have a body")
        if asks_for_websocket(self.headers):
            self._check_websocket()
        fields = sum(len(name) + len(value) for name, value in self.headers)
        if fields + len(self.url) > self._bounds.head_bytes:
            raise HeadTooLargeError
        check_target(self.url)
        check_connection(self.headers)
        check_host(self.headers, self.parser.get_http_version())

    def _check_websocket(self) -> None:
        """Raises BadRequestError, LostHandshakeError, WebSocketVersionError."""
        if self._is_serving():
            raise BadRequestError("a WebSocket cannot be opened while a request is answered")
        version = self.parser.get_http_version()
        check_handshake(self.parser.get_method(), self.headers, version)

    def _forget_request(self) -> None:
        """The head holds the caller's token. A request that came meanwhile is left alone."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or not cycle.response_complete:
            return
        cycle.scope["headers"] = []
        cycle.body = bytearray()
        if not self._in_head:
            self.headers = []

    def _is_serving(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(
                self._bounds.head_seconds, self._head_is_late
            )

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_serving():
            return
        self.slot.refused(LATE_HEAD)
        if self.transport.get_write_buffer_size():
            self.transport.close()
        else:
            self.transport.abort()  # a client so slow is not waited for to end TLS

    def _refuse(self, error: HttpError) -> None:
        """An answer outside any request; only a closed connection if one is being answered."""
        self.slot.refused(BAD_HEAD)
        request_id = accepted_or_new(None)
        _REFUSED.say(reason=type(error).__name__, request_id=request_id)
        if not self._is_serving():
            self.transport.write(_raw_answer(error, request_id))
        elif not self.cycle.response_started:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.write(_raw_answer(error, request_id))
        self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def notice_dead_peer(connection: socket.socket) -> None:
    """From here on a peer whose machine no longer answers ends the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in DEAD_PEER_OPTIONS.items():
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _brings_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


def _raw_answer(error: HttpError, request_id: str) -> bytes:
    failure = failure_of(error, target=None, request_id=request_id)
    body = msgspec.json.encode(failure.body)
    head = [
        b"HTTP/1.1 %d %s" % (failure.reason.code, failure.reason.name.encode()),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
        REQUEST_ID_HEADER + b": " + request_id.encode(),
        *(b"%s: %s" % (name.encode(), text.encode()) for name, text in failure.headers.items()),
        *(b"%s: %s" % header for header in SECURITY_HEADERS),
    ]
    return b"\r\n".join([*head, b"", body])
