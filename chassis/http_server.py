"""An ASGI application on a port, started and stopped by its owner, not by signals."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn

from chassis.acceptor import Acceptor
from chassis.addresses import listen
from chassis.connection_slots import ConnectionSlots, Slot
from chassis.http_connection import HttpConnection
from chassis.line_limit import LineLimit
from chassis.listening import port_problem
from chassis.log_level import LogLevel
from chassis.tls_context import rotating_context
from chassis.tls_files import CurrentTls

CLOSING_SECONDS = 1.0
"""How long a stop waits for a client to end TLS on a connection that is over."""
HANDSHAKE_SECONDS = 5.0
"""How long a client may take for the whole handshake of TLS."""
CONNECTIONS = 1_024
_HANDSHAKE = "handshake"  # why a connection was refused

_HANDSHAKE_FAILED = LineLimit("handshake failed", LogLevel.DEBUG)


@dataclass(frozen=True)
class HttpBounds:
    """What one client may take of the server. Times in seconds, sizes in bytes."""

    keep_alive_seconds: int = 75
    header_bytes: int = 65_536
    message_bytes: int = 4_096
    """Of one WebSocket message from the client."""


@dataclass(frozen=True)
class Protocols:
    """What makes the protocol of one connection, from uvicorn's arguments and a `slot`."""

    http: Callable[..., asyncio.Protocol] = HttpConnection
    websocket: type[asyncio.Protocol] | None = None
    """Of a connection that was upgraded. Without it none is."""


class HttpServer:
    """Serves one application on one port, with TLS if it is given any.

    A connection takes one of the `slots` when it is accepted; without one it is reset.
    """

    def __init__(  # noqa: PLR0913  # each is one plain thing about the port
        self,
        app: Any,
        host: str,
        port: int,
        *,
        tls: CurrentTls | None = None,
        bounds: HttpBounds | None = None,
        protocols: Protocols | None = None,
        slots: ConnectionSlots | None = None,
        setting: str = "the port's setting",
    ) -> None:
        self._address, self._setting = (host, port), setting
        self._tls = rotating_context(tls) if tls else None
        self._protocols = protocols or Protocols()
        self._slots = slots or ConnectionSlots(CONNECTIONS)
        self._config = _config(app, bounds or HttpBounds(), self._protocols)
        self._server = _OwnedServer(self._config)
        self._serving: asyncio.Task[None] | None = None
        self._acceptor: Acceptor | None = None

    async def start(self) -> int:
        """The bound port's number; from now on requests are answered.

        Raises StartRefusedError if the address is not free; RuntimeError if the application
        does not start.
        """
        try:
            listener = listen(*self._address)
        except OSError as error:
            raise port_problem(*self._address, self._setting, error) from error
        # Connections inherit it: asyncio sets it only on sockets that name their protocol, and
        # an answer in two parts would wait for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port: int = listener.getsockname()[1]
        try:
            await self._start_application()
        except BaseException:
            listener.close()
            raise
        self._acceptor = Acceptor(listener, self._slots, self._begin)
        self._acceptor.start()
        return port

    async def _start_application(self) -> None:
        # Without sockets it accepts nothing by itself.
        self._serving = asyncio.create_task(self._server.serve(sockets=[]))
        started = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._serving, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            self._serving.result()
            raise RuntimeError("the application did not start")

    async def stop(self, grace_seconds: float) -> None:
        """Requests under way have ended, or been cancelled after `grace_seconds`."""
        if self._acceptor is None or self._serving is None:
            return
        self._acceptor.close()
        self._acceptor.cancel()
        self._config.timeout_graceful_shutdown = max(1, int(grace_seconds))
        self._server.should_exit = True
        await self._serving

    async def _begin(self, connection: socket.socket, slot: Slot) -> None:
        """The connection has a protocol, or is over."""
        loop = asyncio.get_running_loop()
        seconds = HANDSHAKE_SECONDS if self._tls else None
        try:
            await loop.connect_accepted_socket(
                partial(self._protocol, slot),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=seconds,
            )
        except OSError as error:  # ssl.SSLError is one
            _HANDSHAKE_FAILED.say(reason=type(error).__name__)
        finally:
            # uvloop returns as if nothing were wrong when a client leaves during the handshake.
            if not slot.is_established:
                self._slots.refused(_HANDSHAKE)
                slot.release()
                connection.close()

    def _protocol(self, slot: Slot) -> asyncio.Protocol:
        return self._protocols.http(
            config=self._config,
            server_state=self._server.server_state,
            app_state=self._server.lifespan.state,
            slot=slot,
        )


class _OwnedServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting_off = asyncio.create_task(self._cut_off_silent_clients())
        try:
            await super().shutdown(sockets=sockets)
        finally:
            cutting_off.cancel()

    async def _cut_off_silent_clients(self) -> None:
        """Closing a connection waits for the client to end TLS; one that is idle may not look.

        A connection on which an answer is under way is not closing yet, and is left alone.
        """
        while True:
            closing = [each for each in self.server_state.connections if _is_closing(each)]
            await asyncio.sleep(CLOSING_SECONDS)
            for connection in self.server_state.connections.intersection(closing):
                connection.transport.abort()


def _is_closing(connection: Any) -> bool:
    """Whether all that is left is to end TLS; uvicorn's connections, of either protocol."""
    transport: asyncio.Transport = connection.transport
    return transport.is_closing() and transport.get_write_buffer_size() == 0


def _config(app: Any, bounds: HttpBounds, protocols: Protocols) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws=protocols.websocket or "none",
        ws_max_size=bounds.message_bytes,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=bounds.keep_alive_seconds,
        h11_max_incomplete_event_size=bounds.header_bytes,
    )
