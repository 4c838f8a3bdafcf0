"""The TCP sockets that this process has open, including those of gRPC's core.

The core does not expose its sockets, so the kernel is asked.
"""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

SOCKETS_PER_TURN = 64
"""Looked at before the event loop has its turn: half a millisecond."""
_DESCRIPTORS = Path("/proc/self/fd")
_RECEIVED_AT = 128  # tcpi_bytes_received, of 8 bytes
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def own_sockets() -> Iterator[socket.socket]:
    """A duplicate of each, which is closed when the next one is taken.

    A descriptor of the owner's could be closed and be another file's by the time it is used.
    Raises FileNotFoundError where the system does not list open descriptors, another OSError if
    none is left for the duplicates: nobody is to mistake some sockets for all.
    """
    for descriptor in [int(entry.name) for entry in _DESCRIPTORS.iterdir()]:
        found = _duplicate(descriptor)
        if found is not None:
            with found:
                yield found


async def own_sockets_in_turns() -> AsyncIterator[socket.socket]:
    """The same, with turns of the event loop in between. Raises OSError as own_sockets()."""
    for at, found in enumerate(own_sockets()):
        if at % SOCKETS_PER_TURN == 0:
            await asyncio.sleep(0)
        yield found


def _duplicate(descriptor: int) -> socket.socket | None:
    """None if it is not that of a TCP socket, or is closed by now. Raises OSError."""
    try:
        duplicate = os.dup(descriptor)
    except OSError as error:
        if error.errno == errno.EBADF:
            return None
        raise
    try:
        found = socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        return None
    if found.family in _FAMILIES and found.type == socket.SOCK_STREAM:
        return found
    found.close()
    return None


def is_listener(found: socket.socket) -> bool:
    """Whether it accepts connections. Raises OSError."""
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def local_port(found: socket.socket) -> int:
    """The number of the port that it belongs to. Raises OSError."""
    number: int = found.getsockname()[1]
    return number


def received_bytes(connection: socket.socket) -> int:
    """How much has come over it, as TCP counts it. Raises OSError.

    Source: tcp(7), and struct tcp_info in Linux' include/uapi/linux/tcp.h.
    """
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED_AT + 8)
    count: int = struct.unpack_from("=Q", info, _RECEIVED_AT)[0]
    return count
