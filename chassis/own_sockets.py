"""The TCP sockets that this process has open, whoever opened them in it.

gRPC's core tells nobody about its sockets, so the kernel is asked.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def own_sockets() -> Iterator[socket.socket]:
    """A duplicate of each, which is closed when the next one is taken.

    A descriptor of the owner's could be closed and be another file's by the time it is used.
    Raises OSError where the system does not list open descriptors.
    """
    for descriptor in [int(entry.name) for entry in _DESCRIPTORS.iterdir()]:
        with suppress(OSError), _duplicate(descriptor) as found:
            if found.family in _FAMILIES and found.type == socket.SOCK_STREAM:
                yield found


def _duplicate(descriptor: int) -> socket.socket:
    """Raises OSError if the descriptor is not that of a socket."""
    duplicate = os.dup(descriptor)
    try:
        return socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        raise


def is_listener(found: socket.socket) -> bool:
    """Whether it accepts connections. Raises OSError."""
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def local_port(found: socket.socket) -> int:
    """The number of the port that it belongs to. Raises OSError."""
    number: int = found.getsockname()[1]
    return number
