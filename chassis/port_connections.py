"""The connections of each port as metrics, readiness and the log show them.

A port of ours counts its connections itself. gRPC tells nobody how many it has: they are
counted from outside, every second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.readiness import PartsFailingError
from chassis.socket_counts import connections_of
from chassis.worker import run_every

LIMIT_REACHED = "connection limit reached"
LOOK_SECONDS = 1.0
FULL_SECONDS = 5.0
"""How long a port that was full counts as full: those that close are replaced in a flood."""
WARNING_SECONDS = 60.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    limit: int
    count: Callable[[], int | None]
    number: int | None = None  # of a port that is counted from outside
    full_at: float | None = None
    warned_at: float | None = None


class PortConnections(Collector):
    """See the module."""

    CONNECTIONS = ("port_connections", "Open connections of a port.", ("port",))
    LIMIT = ("port_connections_limit", "Connections that a port may have.", ("port",))

    def __init__(self) -> None:
        self._ports: dict[str, _Watched] = {}
        self._counted: dict[int, int] | None = None

    def add(self, port: str, limit: int, count: Callable[[], int | None]) -> None:
        """From now on the port is shown; `count` tells how many connections it has."""
        self._ports[port] = _Watched(limit, count)

    def add_grpc(self, port: str, limit: int, number: int) -> None:
        """From now on gRPC's port of this number is shown."""
        self._ports[port] = _Watched(limit, lambda: self._count_of(number), number)

    def describe(self) -> Iterator[Metric]:
        """Which names are taken."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        connections, limits = _families()
        for port, watched in self._ports.items():
            limits.add_metric((port,), watched.limit)
            count = watched.count()
            if count is not None:
                connections.add_metric((port,), count)
        yield connections
        yield limits

    def check(self, port: str) -> Callable[[], Awaitable[None]]:
        """A check of readiness: it raises PartsFailingError while the port is full."""

        async def check() -> None:
            watched = self._ports.get(port)
            now = asyncio.get_running_loop().time()
            if watched is not None and self._is_full(watched, now):
                raise PartsFailingError((LIMIT_REACHED,))

        return check

    async def watch(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set, connections are counted, and a full port is logged."""
        await run_every(
            self.look, interval_seconds=LOOK_SECONDS, stopping=stopping, name="connections"
        )

    async def look(self) -> None:
        """The counts are those of now; a port that is full is logged once a minute."""
        numbers = {each.number for each in self._ports.values() if each.number is not None}
        if numbers:
            self._counted = await connections_of(numbers)
        now = asyncio.get_running_loop().time()
        for port, watched in self._ports.items():
            self._warn_if_full(port, watched, now)

    def _warn_if_full(self, port: str, watched: _Watched, now: float) -> None:
        if not self._is_full(watched, now):
            return
        if watched.warned_at is None or now - watched.warned_at > WARNING_SECONDS:
            watched.warned_at = now
            _log.warning(LIMIT_REACHED, port=port, limit=watched.limit)

    def _is_full(self, watched: _Watched, now: float) -> bool:
        if (watched.count() or 0) >= watched.limit:
            watched.full_at = now
        return watched.full_at is not None and now - watched.full_at < FULL_SECONDS

    def _count_of(self, number: int) -> int | None:
        return None if self._counted is None else self._counted.get(number, 0)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    first, second = (
        GaugeMetricFamily(name, text, labels=labels)
        for name, text, labels in (PortConnections.CONNECTIONS, PortConnections.LIMIT)
    )
    return first, second
