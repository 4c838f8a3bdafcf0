"""Watches over WebSocket: one text frame for each event, as kube-apiserver serves them.

The request is served as the GET it would be without the upgrade, by the same code and under the
same checks. Only a watch is answered over WebSocket; a refusal is an ordinary HTTP answer.
"""

import asyncio
import base64
import binascii
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.events import Ping, Request

from chassis.connection_slots import Slot
from chassis.errors import PermissionDeniedError
from gateway.edge.connection import NOT_READING
from gateway.edge.request_state import is_watch, set_slot
from gateway.errors import BadRequestError

BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."
"""Kubernetes' way for a browser, which cannot set headers, to send a token: a subprotocol."""

WAITING_BYTES = 1024 * 1024
"""Unsent bytes beyond which a client that does not read gets no answers to its pings."""

_ONLY_FOR_ANSWERS = frozenset({b"content-type", b"content-length", b"connection"})
_CLOSE = (b"connection", b"close")


class WatchConnection(WSProtocol):
    """uvicorn's WebSocket connection, which ends when its client has stopped reading."""

    write_seconds = 60.0
    _write_timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, slot: Slot, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._slot = slot

    def handle_connect(self, event: Request) -> None:
        """The request of the handshake begins."""
        super().handle_connect(event)
        set_slot(self.scope["state"], self._slot)

    def pause_writing(self) -> None:
        """The client is not reading; it has some time to go on."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_seconds, self._cut_off_unread)

    def _cut_off_unread(self) -> None:
        self._slot.refused(NOT_READING)
        self.transport.abort()

    def resume_writing(self) -> None:
        """The client is reading again."""
        self._stop_write_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer, and the connection's slot is free again."""
        self._slot.release()
        self._stop_write_timer()
        super().connection_lost(exc)

    def handle_ping(self, event: Ping) -> None:
        """Answers a ping, but does not collect answers that nobody reads."""
        if self.transport.get_write_buffer_size() > WAITING_BYTES:
            self.transport.abort()
            return
        super().handle_ping(event)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class WatchSocket:
    """The WebSocket of one request, as the ASGI connection of a GET."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope: dict[str, Any] = {**scope, "type": "http", "method": "GET"}
        self.scope.setdefault("state", {})["websocket"] = True
        self._receive = receive
        self._send = send
        self._protocols: list[str] = list(scope.get("subprotocols", ()))
        self._asked = False
        self._accepted = False

    def admit(self) -> None:
        """Moves a token among the subprotocols to where credentials are.

        Raises PermissionDeniedError: a page of another origin opens it. BadRequestError: the
        subprotocols cannot be understood.
        """
        check_origin(self.scope["headers"])
        tokens = [name for name in self._protocols if name.startswith(BEARER_PROTOCOL)]
        self._protocols = [name for name in self._protocols if name not in tokens]
        if len(self._protocols) > 1 or (tokens and not self._protocols):
            raise BadRequestError("Sec-WebSocket-Protocol: must offer one protocol")
        bearers = [(b"authorization", b"Bearer " + _decoded(name)) for name in tokens]
        self.scope["headers"] = [*self.scope["headers"], *bearers]

    async def receive(self) -> Message:
        """The end of the request, then the end of the connection. Frames mean nothing."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The next part of the answer."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._accepted:
            await self._go_on(message)
        else:
            await self._send({**message, "type": "websocket.http.response.body"})

    async def _begin(self, message: Message) -> None:
        self._accepted = is_watch(self.scope) and message["status"] == 200  # noqa: PLR2004
        if not self._accepted:
            headers = [*message["headers"], _CLOSE]
            refusal = {"type": "websocket.http.response.start", "headers": headers}
            await self._send({**message, **refusal})
            return
        kept = [each for each in message["headers"] if each[0] not in _ONLY_FOR_ANSWERS]
        chosen = self._protocols[0] if self._protocols else None
        await self._send({"type": "websocket.accept", "subprotocol": chosen, "headers": kept})

    async def _go_on(self, message: Message) -> None:
        if line := message.get("body", b""):
            await self._send({"type": "websocket.send", "text": line.rstrip(b"\n").decode()})
        if not message.get("more_body", False):
            await self._send({"type": "websocket.close", "code": 1000})


def refuse_websocket(scope: Scope) -> None:
    """For what is answered at once. Raises BadRequestError if it was asked for as a socket."""
    if scope.get("state", {}).get("websocket"):
        raise BadRequestError("only a watch is served over WebSocket")


def check_origin(headers: list[tuple[bytes, bytes]]) -> None:
    """Raises PermissionDeniedError unless no page or one of this server's own opens the socket.

    A browser lets every page open a WebSocket to every server and names the page's origin
    (RFC 6455 §10.2). Other programs that name an origin name the one that they connect to.
    """
    origins = [value.lower() for name, value in headers if name == b"origin"]
    hosts = [value.lower() for name, value in headers if name == b"host"]
    if origins and (len(origins) > 1 or origins[0] not in _own_origins(hosts)):
        raise PermissionDeniedError("a WebSocket is not opened for a page of another origin")


def _own_origins(hosts: list[bytes]) -> set[bytes]:
    bare = {host.removesuffix(b":443") for host in hosts}
    return {b"https://" + host for host in bare} | {b"https://" + h + b":443" for h in bare}


def _decoded(protocol: str) -> bytes:
    """The token of a subprotocol: base64url without padding."""
    text = protocol.removeprefix(BEARER_PROTOCOL)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadRequestError("Sec-WebSocket-Protocol: the token is not base64url") from None
