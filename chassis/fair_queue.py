"""Which call is served next, when more have come than are served at a time. Pure.

- At most so many are served at a time, and of one caller as many as chassis/admission.py says.
- The others wait. What becomes free is given to the callers in turn, and to each caller's calls
  as they came: who has one call waiting is served before who has a thousand is a second time.
Source: J. Nagle, "On packet switches with infinite storage", RFC 970, 1985.
"""

from collections import deque
from collections.abc import Callable

from chassis.admission import Places

Start = Callable[[], None]


class FairQueue:
    """Of one port. A call that has been started leaves once."""

    __slots__ = ("_places", "_waiting")

    def __init__(self, limit: int) -> None:
        self._places = Places(limit)
        self._waiting: dict[int, deque[Start]] = {}

    def enter(self, caller: int, start: Start) -> None:
        """`start` is called once a call of the caller's is to be served: now, or in leave()."""
        if caller not in self._waiting and self._places.has_room_for(caller):
            self._places.take(caller)
            start()
        else:
            self._waiting.setdefault(caller, deque()).append(start)

    def leave(self, caller: int) -> None:
        """A call of the caller's is not served any more; whoever is next has been started."""
        self._places.give_back(caller)
        while (first := self._first()) is not None:
            starts = self._waiting.pop(first)
            start = starts.popleft()
            if starts:
                self._waiting[first] = starts  # behind the others
            self._places.take(first)
            start()

    def drop(self) -> None:
        """Nobody waits any more, and whoever has waited is never started."""
        self._waiting.clear()

    def _first(self) -> int | None:
        """The caller who has waited longest of those who may have one more served."""
        if self._places.full:  # or each of a thousand callers would be asked in vain
            return None
        return next(filter(self._places.has_room_for, self._waiting), None)
