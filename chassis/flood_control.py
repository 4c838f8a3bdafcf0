"""Ends a flood of calls without credentials: the flooding source loses its connections.

gRPC's core queues what has come on all connections in one line, so thousands of a stranger's
calls stand before everybody else's. A source that makes too many of them (flood_detector.py)

- has its connections closed, but for those on which a caller was verified;
- makes no new ones for a while: the kernel drops them (packet_filter.py).

Calls on a connection with a verified caller do not count, so that a proxy or a gateway, whose
clients share one address, is not held responsible for the strangers among them.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress

from chassis.flood_detector import FloodDetector
from chassis.line_limit import LineLimit
from chassis.own_sockets import is_listener, local_port, own_sockets
from chassis.packet_filter import drop_packets
from chassis.source_address import peer_name, source_of, source_of_peer

BLOCKED_SOURCES = 128  # at a time; the one that was blocked first is let in for another
VERIFIED_CONNECTIONS = 16_384
AGAIN_SECONDS = 0.1  # between looks for connections of blocked sources

_FLOODED = LineLimit(
    "a source floods the port with calls without a valid credential: "
    "it cannot open connections for a while"
)
_CANNOT_BLOCK = LineLimit("new connections of a source that floods cannot be dropped")


class FloodControl:
    """Of one port. `refused` is called for each connection that is closed.

    With 0 seconds no source is ever blocked, and no connection closed.
    """

    def __init__(self, block_seconds: float, refused: Callable[[], None]) -> None:
        self._block_seconds, self._refused = block_seconds, refused
        self._detector = FloodDetector(time.monotonic)
        self._verified: OrderedDict[str, None] = OrderedDict()
        self._blocked: OrderedDict[str, asyncio.TimerHandle] = OrderedDict()
        self._closing: asyncio.TimerHandle | None = None
        self._port: int | None = None

    def start(self, port: int) -> None:
        """From now on the sources that flood this port are blocked."""
        if self._block_seconds > 0:
            self._port = port

    def verified(self, peer: str) -> None:
        """A caller was verified on the connection of this peer, as gRPC names it."""
        if peer in self._verified:
            self._verified.move_to_end(peer)
            return
        self._verified[peer] = None
        if len(self._verified) > VERIFIED_CONNECTIONS:
            self._verified.popitem(last=False)

    def unverified(self, peer: str) -> None:
        """A call of this peer has ended, and no caller was verified for it."""
        if self._port is None or peer in self._verified:
            return
        source = source_of_peer(peer)
        if source in self._blocked:
            self._close_soon()  # it was being accepted, or is one of the calls that wait
        elif self._detector.floods(source):
            self._block(source)

    def stop(self) -> None:
        """No source is blocked."""
        self._port = None
        for timer in (*self._blocked.values(), *filter(None, [self._closing])):
            timer.cancel()

    def _block(self, source: str) -> None:
        _FLOODED.say(source=source, seconds=self._block_seconds)
        if len(self._blocked) == BLOCKED_SOURCES:
            self._blocked.popitem(last=False)[1].cancel()
        loop = asyncio.get_running_loop()
        self._blocked[source] = loop.call_later(self._block_seconds, self._let_in, source)
        self._filter()
        self._close()

    def _let_in(self, source: str) -> None:
        del self._blocked[source]
        self._filter()

    def _filter(self) -> None:
        try:
            for listener in self._sockets():
                if is_listener(listener):
                    drop_packets(listener, self._blocked)
        except OSError as error:
            _CANNOT_BLOCK.say(reason=error.strerror)

    def _close_soon(self) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._close)

    def _close(self) -> None:
        """Closes the connections of blocked sources; gRPC's core sees their end at once."""
        self._closing = None
        with suppress(OSError):  # where open descriptors are not listed
            for connection in self._sockets():
                with suppress(OSError):  # it is a listener, or has ended
                    self._close_if_blocked(connection)

    def _close_if_blocked(self, connection: socket.socket) -> None:
        host, port, *_ = connection.getpeername()
        if source_of(host) in self._blocked and peer_name(host, port) not in self._verified:
            connection.shutdown(socket.SHUT_RDWR)
            self._refused()

    def _sockets(self) -> Iterator[socket.socket]:
        return (found for found in own_sockets() if local_port(found) == self._port)
