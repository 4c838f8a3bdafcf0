"""An ASGI application on a port, started and stopped by its owner, not by signals."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

from chassis.addresses import listen
from chassis.listening import port_problem
from chassis.tls_context import rotating_context
from chassis.tls_files import CurrentTls

CLOSING_SECONDS = 1.0
"""How long a stop waits for a client to end TLS on a connection that is over."""


@dataclass(frozen=True)
class HttpBounds:
    """What one client may take of the server. Times in seconds, sizes in bytes."""

    concurrent_connections: int = 1_024
    keep_alive_seconds: int = 75
    header_bytes: int = 65_536
    message_bytes: int = 4_096
    """Of one WebSocket message from the client."""


@dataclass(frozen=True)
class Protocols:
    """What makes the protocol of one connection, from the arguments that uvicorn's takes."""

    http: Callable[..., asyncio.Protocol] | None = None
    """In place of uvicorn's."""
    websocket: type[asyncio.Protocol] | None = None
    """Of a connection that was upgraded. Without it none is."""


class HttpServer:
    """Serves one application on one port, with TLS if it is given any."""

    def __init__(  # noqa: PLR0913  # each is one plain thing about the port
        self,
        app: Any,
        host: str,
        port: int,
        *,
        tls: CurrentTls | None = None,
        bounds: HttpBounds | None = None,
        protocols: Protocols | None = None,
        setting: str = "the port's setting",
    ) -> None:
        self._address, self._setting = (host, port), setting
        self._tls = rotating_context(tls) if tls else None
        self._config = _config(app, bounds or HttpBounds(), protocols or Protocols())
        self._server = _OwnedServer(self._config)
        self._serving: asyncio.Task[None] | None = None

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
        self._config.load()
        self._config.ssl = self._tls
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        started = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._serving, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            listener.close()
            self._serving.result()
            raise RuntimeError("the application did not start")
        return port

    async def stop(self, grace_seconds: float) -> None:
        """Requests under way have ended, or been cancelled after `grace_seconds`."""
        if self._serving is not None:
            self._config.timeout_graceful_shutdown = max(1, int(grace_seconds))
            self._server.should_exit = True
            await self._serving


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
        http=protocols.http or "httptools",  # type: ignore[arg-type]  # uvicorn only calls it
        ws=protocols.websocket or "none",
        ws_max_size=bounds.message_bytes,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=bounds.concurrent_connections,
        timeout_keep_alive=bounds.keep_alive_seconds,
        h11_max_incomplete_event_size=bounds.header_bytes,
    )
