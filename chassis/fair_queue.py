"""Which call is served next, when more have come than are served at a time. Pure.

- At most so many are served at a time, and of one caller as many as chassis/admission.py says.
- The others wait. What becomes free is given to the callers in turn, and to each caller's calls
  as they came: who has one call waiting is served before who has a thousand is a second time.
Source: J. Nagle, "On packet switches with infinite storage", RFC 970, 1985.
"""

from collections import deque
from typing import Protocol

from chassis.admission import ConcurrencyLimiter


class Turn(Protocol):
    """Of a call that waits; an asyncio.Future is one."""

    def set_result(self, result: None, /) -> None:
        """It is the call's turn."""
        ...

    def done(self) -> bool:
        """Whether the call has given up waiting."""
        ...


class FairQueue:
    """Of one port. A call that has been started leaves once."""

    __slots__ = ("_limiter", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limiter = ConcurrencyLimiter(limit)
        self._waiting: dict[int, deque[Turn]] = {}

    def enter(self, caller: int, turn: Turn) -> bool:
        """True if a call of the caller's is served from now on.

        If not, it waits: `turn` is done once it is its turn.
        """
        if caller not in self._waiting and self._limiter.has_room_for(caller):
            self._limiter.take(caller)
            return True
        self._waiting.setdefault(caller, deque()).append(turn)
        return False

    def leave(self, caller: int) -> None:
        """One call of this caller has ended; the next waiting call gets its turn."""
        self._limiter.give_back(caller)
        while (first := self._first()) is not None:
            turns = self._waiting.pop(first)
            turn = turns.popleft()
            if turns:
                self._waiting[first] = turns  # behind the others
            if not turn.done():  # cancelled: its call is about to withdraw
                self._limiter.take(first)
                turn.set_result(None)

    def withdraw(self, caller: int, turn: Turn) -> None:
        """Removes a call that gave up waiting; its turn is never set."""
        turns = self._waiting.get(caller)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[caller]

    def _first(self) -> int | None:
        """The caller who has waited longest of those who may have one more served."""
        if self._limiter.full:  # or each of a thousand callers would be asked in vain
            return None
        return next(filter(self._limiter.has_room_for, self._waiting), None)
