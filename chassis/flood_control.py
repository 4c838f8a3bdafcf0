"""Ends floods by strangers: a source that floods a port loses its connections for a while.

gRPC's core reads frames and queues calls of all connections alike, so thousands of a stranger's
stand before everybody else's. A source that sends too many (flood_detector.py)

- has its connections closed, but for those that are trusted;
- makes no new ones for a while: the kernel drops them (packet_filter.py).

A connection is trusted once a caller was verified on it. What comes over it counts to no flood,
so that a proxy or a gateway, whose clients share one address, is not held responsible for the
strangers among them.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from chassis.flood_detector import CallFloods, ConnectionFloods
from chassis.line_limit import LineLimit
from chassis.own_sockets import (
    is_listener,
    local_port,
    own_sockets,
    own_sockets_in_turns,
    received_bytes,
)
from chassis.packet_filter import drop_packets
from chassis.source_address import peer_name, source_of_peer

LOOK_SECONDS = 0.5
BLOCKED_SOURCES = 128  # at a time; the one that was blocked first is let in for another
TRUSTED_CONNECTIONS = 16_384
SOURCE_SHARE = 4  # a fourth, as at the gateway

_FLOODED = LineLimit(
    "a source floods the port without a valid credential: "
    "it cannot open connections for a while"
)
_CANNOT_BLOCK = LineLimit("new connections of a source that floods cannot be dropped")


class FloodControl:
    """Of one port. `refused` is called for each connection that is closed.

    With 0 seconds no source is ever blocked, and no connection closed.
    """

    def __init__(
        self, block_seconds: float, connections: int, refused: Callable[[], None]
    ) -> None:
        """One source may have a share of the port's `connections` that are not trusted."""
        self._block_seconds, self._refused = block_seconds, refused
        self._calls = CallFloods(time.monotonic)
        share = max(1, connections // SOURCE_SHARE)
        self._connections = ConnectionFloods(time.monotonic, share)
        self._trusted: OrderedDict[str, None] = OrderedDict()
        self._blocked: OrderedDict[str, float] = OrderedDict()  # until when
        self._port: int | None = None

    def trust(self, peer: str) -> None:
        """The connection of this peer, as gRPC names it, is not its source's fault."""
        if peer in self._trusted:
            self._trusted.move_to_end(peer)
            return
        self._trusted[peer] = None
        if len(self._trusted) > TRUSTED_CONNECTIONS:
            self._trusted.popitem(last=False)

    def unverified(self, peer: str) -> None:
        """A call of this peer has ended, and no caller was verified for it."""
        if self._port is None or peer in self._trusted:
            return
        source = source_of_peer(peer)
        if source not in self._blocked and self._calls.count(source):
            self._block({source})

    async def watch(self, port: int) -> None:
        """Sources that flood this port are blocked, until cancelled."""
        if self._block_seconds == 0:
            return
        self._port = port
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._let_in()
            with suppress(OSError):  # where open descriptors are not listed
                await self._look()

    async def _look(self) -> None:
        """Sources with too many connections, or too much sent over them, are blocked."""
        received: dict[str, int] = {}
        async for found in own_sockets_in_turns():
            peer = self._stranger(found)
            if peer is not None and source_of_peer(peer) in self._blocked:
                self._close(found)  # it was accepted at the same moment
            elif peer is not None:
                received[peer] = received_bytes(found)
        flooding = self._connections.sources(received, source_of_peer)
        if flooding:
            self._block(flooding)

    def _block(self, sources: set[str]) -> None:
        until = time.monotonic() + self._block_seconds
        for source in sources:
            _FLOODED.say(source=source, seconds=self._block_seconds)
            if len(self._blocked) == BLOCKED_SOURCES:
                self._blocked.popitem(last=False)
            self._blocked[source] = until
        try:
            self._filter()
            for found in own_sockets():
                peer = self._stranger(found)
                if peer is not None and source_of_peer(peer) in sources:
                    self._close(found)
        except OSError as error:
            _CANNOT_BLOCK.say(reason=error.strerror)

    def _let_in(self) -> None:
        now = time.monotonic()
        over = [source for source, until in self._blocked.items() if until <= now]
        for source in over:
            del self._blocked[source]
        if over:
            with suppress(OSError):  # then nobody was kept out
                self._filter()

    def _filter(self) -> None:
        """Raises OSError where the system has no such filters, or lists no descriptors."""
        for found in own_sockets():
            if local_port(found) == self._port and is_listener(found):
                drop_packets(found, self._blocked)

    def _close(self, connection: socket.socket) -> None:
        """The core sees its end at once."""
        with suppress(OSError):  # it has ended
            connection.shutdown(socket.SHUT_RDWR)
            self._refused()

    def _stranger(self, found: socket.socket) -> str | None:
        """The peer, if this is a connection to the port and not trusted."""
        if local_port(found) != self._port:
            return None
        try:
            host, port, *_ = found.getpeername()
        except OSError:  # it is a listener, or has ended
            return None
        peer = peer_name(host, port)
        return None if peer in self._trusted else peer
