"""Accepts the connections of one listening socket, a few in each turn of the event loop.

Each takes a slot as it is accepted; one without a slot is reset.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from chassis.connection_slots import ConnectionRefusedByLimitError, ConnectionSlots, Slot

ACCEPTS_PER_TURN = 4
"""Few, so that requests are served in between, however fast connections arrive."""
BACK_OFF_SECONDS = 0.25
WARNING_SECONDS = 60.0
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)

Serve = Callable[[socket.socket, Slot], Coroutine[Any, Any, None]]

_log = structlog.get_logger(__name__)


class Acceptor:
    """Runs `serve` as a task for each connection, from start() to close().

    `serve` releases the slot.
    """

    def __init__(self, listener: socket.socket, slots: ConnectionSlots, serve: Serve) -> None:
        self._listener, self._slots, self._serve = listener, slots, serve
        self._tasks: set[asyncio.Task[None]] = set()
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

    def cancel(self) -> None:
        """Cancels the tasks that serve connections."""
        for task in self._tasks:
            task.cancel()

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
            self._begin(connection, str(address[0]))

    def _begin(self, connection: socket.socket, host: str) -> None:
        try:
            slot = self._slots.take(host)
        except ConnectionRefusedByLimitError:
            _reset(connection)
            return
        task = asyncio.create_task(self._serve(connection, slot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _back_off(self, error: OSError) -> None:
        """No descriptor or no memory is left: the next connections wait in the kernel."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._pause = loop.call_later(BACK_OFF_SECONDS, self.start)
        if self._warned_at is None or loop.time() - self._warned_at > WARNING_SECONDS:
            self._warned_at = loop.time()
            _log.warning("connections cannot be accepted", reason=error.strerror)


def _reset(connection: socket.socket) -> None:
    """Closes the connection with RST, so that the kernel keeps no state of it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    connection.close()
