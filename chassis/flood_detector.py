"""Which sources flood a port. Pure.

A source floods if within one window it makes too many calls for which nobody was verified, or
sends too much over connections on which nobody was, or if it has too many of those.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping

from chassis.source_address import source_of_peer

WINDOW_SECONDS = 1.0
UNVERIFIED_CALLS = 500
"""Of one source in a window: as many as verification_budget.py allows to fail at once."""
FIRST_BYTES = 96 * 1024
"""Of each connection, that do not count: a client is verified by its first call, whose headers
have 32 KiB at most, and 64 KiB of its request may come before it is read."""
UNVERIFIED_BYTES = 512 * 1024
"""Of one source in a window: some 40 000 short frames."""
REMEMBERED_SOURCES = 4_096


class CallFloods:
    """Of one port. The number of sources is bounded; the least recently seen is dropped."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a clock in seconds that never goes back."""
        self._now = now
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, source: str) -> bool:
        """Counts an unverified call; whether the source made too many in this window."""
        now = self._now()
        began, calls = self._windows.pop(source, (now, 0))
        if now - began >= WINDOW_SECONDS:
            began, calls = now, 0
        self._windows[source] = (began, calls + 1)
        if len(self._windows) > REMEMBERED_SOURCES:
            self._windows.popitem(last=False)
        return calls >= UNVERIFIED_CALLS


class ConnectionFloods:
    """Of one port, whose unverified connections are looked at from time to time."""

    def __init__(self, now: Callable[[], float], connections: int) -> None:
        """`now` is a clock in seconds that never goes back; a source may have `connections`."""
        self._now, self._connections = now, connections
        self._looked_at = now()
        self._before: Mapping[str, int] = {}

    def sources(self, received: Mapping[str, int], trusted: Iterable[str]) -> set[str]:
        """The sources that sent too much since the last look, or have too many connections.

        `received` is what came over each unverified connection since it was opened, by its
        peer. Connections do not count if the source has a `trusted` one: many clients that
        connect again at once are not verified all at once.
        """
        now, before = self._now(), self._before
        allowed = UNVERIFIED_BYTES * max(WINDOW_SECONDS, now - self._looked_at)
        self._looked_at, self._before = now, received
        connections, sent = Counter[str](), Counter[str]()
        for peer, total in received.items():
            source = source_of_peer(peer)
            connections[source] += 1
            sent[source] += max(0, total - max(FIRST_BYTES, before.get(peer, 0)))
        sending = {source for source, count in sent.items() if count > allowed}
        holding = {source for source, count in connections.items() if count > self._connections}
        if holding:
            holding -= {source_of_peer(peer) for peer in trusted}
        return sending | holding
