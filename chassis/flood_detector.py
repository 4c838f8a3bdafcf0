"""Which sources flood a port with calls that nobody vouches for. Pure.

A call is unverified if neither a token nor a peer's certificate was accepted for it. Each costs
the port about as much as an empty call, whatever it is refused for.
"""

from collections import OrderedDict
from collections.abc import Callable

UNVERIFIED_CALLS = 500
"""Of one source in a window: as many as verification_budget.py allows to fail at once."""
WINDOW_SECONDS = 1.0
REMEMBERED_SOURCES = 4_096


class FloodDetector:
    """Of one port. The number of sources is bounded; the least recently seen is dropped."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a clock in seconds that never goes back."""
        self._now = now
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def floods(self, source: str) -> bool:
        """Counts an unverified call, and whether the source made too many in this window."""
        now = self._now()
        began, calls = self._windows.pop(source, (now, 0))
        if now - began >= WINDOW_SECONDS:
            began, calls = now, 0
        self._windows[source] = (began, calls + 1)
        if len(self._windows) > REMEMBERED_SOURCES:
            self._windows.popitem(last=False)
        return calls >= UNVERIFIED_CALLS
