"""Ports of this machine's loopback address."""

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"

# Below the range from which operating systems choose the ports of outgoing connections, so that
# a port stays free while its process is restarted.
FIRST, LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether this process could listen there now."""
    return not obstacle(port)


def obstacle(port: int) -> str:
    """What keeps this process from listening there now; empty if nothing does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose old connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            return "is not allowed to this user (ports below 1024 mostly are root's)"
        except OSError:
            return "is taken"
    return ""


def _candidates() -> Iterator[int]:
    chance = random.SystemRandom()
    while True:
        yield chance.randint(FIRST, LAST)


@dataclass(slots=True)
class Ports:
    """Gives out ports, no port twice."""

    _given: set[int] = field(default_factory=set)

    def choose(self, wanted: int) -> int:
        """`wanted`, or a free port if that is 0."""
        if wanted:
            self._given.add(wanted)
            return wanted
        port = next(p for p in _candidates() if p not in self._given and is_free(p))
        self._given.add(port)
        return port
