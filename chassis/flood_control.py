"""Ends floods by strangers: a source that floods a port loses its connections for a while.

gRPC's core reads frames and queues calls of all connections alike, so thousands of a stranger's
delay everybody else's. A source that sends too many (flood_detector.py)

- has its connections closed, except those that are trusted;
- makes no new ones for a while: the kernel drops them (packet_filter.py).

A connection is trusted once a caller was verified on it. What comes over it does not count, so
that a proxy or a gateway, whose clients share one address, is not blocked for what strangers
among them do.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import structlog

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
SOURCE_SHARE = 4  # a fourth, as at the gateway

_FLOODED = LineLimit(
    "a source floods the port without a valid credential: "
    "it cannot open connections for a while"
)
_NOT_DROPPED = LineLimit("new connections of a source that floods cannot be dropped")
_NOT_SEEN = LineLimit("floods cannot be detected: the open sockets cannot be listed")
_log = structlog.get_logger(__name__)


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
        self._trusted: set[str] = set()  # of the connections that are open, or were just now
        self._blocked: OrderedDict[str, float] = OrderedDict()  # until when
        self._is_on = block_seconds > 0
        self._port = 0  # until it is known

    def trust(self, peer: str) -> None:
        """What this peer, as gRPC names it, sends over its connection does not count."""
        if self._is_on:
            self._trusted.add(peer)

    def unverified(self, peer: str) -> None:
        """A call of this peer has ended, and no caller was verified for it."""
        if not self._is_on or peer in self._trusted:
            return
        source = source_of_peer(peer)
        if source not in self._blocked and self._calls.count(source):
            self._block({source})

    async def watch(self, port: int) -> None:
        """Sources that flood this port are blocked, until cancelled."""
        self._port = port
        while self._is_on:
            await asyncio.sleep(LOOK_SECONDS)
            self._let_in()
            try:
                await self._look()
            except FileNotFoundError:
                self._is_on = False
                _log.warning("sources that flood a port cannot be blocked: there is no /proc")
            except OSError as error:  # no descriptor is left: the next look may find one
                _NOT_SEEN.say(reason=error.strerror)

    async def _look(self) -> None:
        """Sources with too many connections, or too much sent over them, are blocked.

        Raises OSError as own_sockets().
        """
        closed = set(self._trusted)
        received: dict[str, int] = {}
        async for found in own_sockets_in_turns():
            peer = self._peer(found)
            if peer is None:
                continue
            if peer in self._trusted:
                closed.discard(peer)
            elif source_of_peer(peer) in self._blocked:
                self._close(found)  # it was accepted at the same moment
            else:
                received[peer] = received_bytes(found)
        self._trusted -= closed
        flooding = self._connections.sources(received, self._trusted)
        if flooding:
            self._block(flooding)

    def _block(self, sources: set[str]) -> None:
        until = time.monotonic() + self._block_seconds
        for source in sources:
            _FLOODED.say(source=source, seconds=self._block_seconds)
            if len(self._blocked) == BLOCKED_SOURCES:
                self._blocked.popitem(last=False)
            self._blocked[source] = until
        self._filter()
        with suppress(OSError):  # the next look closes them
            for found in own_sockets():
                peer = self._peer(found)
                if peer is None or peer in self._trusted:
                    continue
                if source_of_peer(peer) in sources:
                    self._close(found)

    def _let_in(self) -> None:
        now = time.monotonic()
        over = [source for source, until in self._blocked.items() if until <= now]
        for source in over:
            del self._blocked[source]
        if over:
            self._filter()

    def _filter(self) -> None:
        try:
            for found in own_sockets():
                if local_port(found) == self._port and is_listener(found):
                    drop_packets(found, self._blocked)
        except OSError as error:
            _NOT_DROPPED.say(reason=error.strerror)

    def _close(self, connection: socket.socket) -> None:
        """The core sees its end at once."""
        with suppress(OSError):  # it has ended
            connection.shutdown(socket.SHUT_RDWR)
            self._refused()

    def _peer(self, found: socket.socket) -> str | None:
        """Whose connection to the port it is; None if it is none."""
        if local_port(found) != self._port:
            return None
        try:
            return peer_name(found.getpeername())
        except OSError:  # it is a listener, or has ended
            return None
