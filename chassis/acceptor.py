"""Accepts the connections of one listening socket, a few in each turn of the event loop."""

import asyncio
import socket
import struct
from collections.abc import Callable

import structlog

ACCEPTS_PER_TURN = 4
"""So few that calls under way are served in between, however fast connections come."""
BACK_OFF_SECONDS = 0.25
WARNING_SECONDS = 60.0
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)

Accepted = Callable[[socket.socket, str], None]

_log = structlog.get_logger(__name__)


class Acceptor:
    """Hands each connection and its client's address to `accepted`, from start() to close()."""

    def __init__(self, listener: socket.socket, accepted: Accepted) -> None:
        self._listener, self._accepted = listener, accepted
        self._pause: asyncio.TimerHandle | None = None
        self._warned_at: float | None = None

    def start(self) -> None:
        """From now on connections are accepted."""
        self._pause = None
        self._listener.setblocking(False)  # noqa: FBT003  # socket's own way
        asyncio.get_running_loop().add_reader(self._listener, self._accept_some)

    def close(self) -> None:
        """The port is closed."""
        if self._listener.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        self._listener.close()

    def _accept_some(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:  # its client has gone already
                continue
            except OSError as error:
                self._back_off(error)
                return
            connection.setblocking(False)  # noqa: FBT003  # socket's own way
            self._accepted(connection, str(address[0]))

    def _back_off(self, error: OSError) -> None:
        """No descriptor or no memory is left: the next connections wait in the kernel."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._pause = loop.call_later(BACK_OFF_SECONDS, self.start)
        if self._warned_at is None or loop.time() - self._warned_at > WARNING_SECONDS:
            self._warned_at = loop.time()
            _log.warning("connections cannot be accepted", reason=error.strerror)


def refuse(connection: socket.socket) -> None:
    """The connection is over at once, and the kernel keeps nothing of it (RST)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    connection.close()
