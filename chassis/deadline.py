"""How long the present request may still take, for everything that it calls.

The server binds it once per call; clients and the database read it. A task that outlives its
request starts with `unbound()`, because tasks inherit the context in which they are made.
"""

import asyncio
import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Protocol

TICK_SECONDS = 0.01

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining_seconds() -> float | None:
    """Seconds left, zero at least; None where no deadline is bound."""
    deadline = _deadline.get()
    if deadline is None:
        return None
    return max(0.0, deadline - asyncio.get_running_loop().time())


def capped(seconds: float) -> float:
    """`seconds`, or what is left of the present deadline if that is less."""
    remaining = remaining_seconds()
    return seconds if remaining is None else min(seconds, remaining)


class Timer:
    """Cancels the task that makes it once somebody says that its time is over.

    What asyncio.timeout() does, for a hot path: no context manager, no state but this.
    """

    __slots__ = ("_task", "_waiting", "over")

    def __init__(self, waiting: "set[Timer] | None" = None) -> None:
        self._task = asyncio.current_task()
        self._waiting = waiting
        self.over = False
        if waiting is not None:
            waiting.add(self)

    def end_now(self) -> None:
        """The time is over, and the task cancelled."""
        self.over = True
        if self._task is not None:
            self._task.cancel()

    def ended(self, error: BaseException | None) -> bool:
        """Whether the timer, and nobody else, caused the error that ends the task's work.

        The timer does nothing from now on, and the task is as if it had not been cancelled by
        it. To be asked once.
        """
        if self._waiting is not None:
            self._waiting.discard(self)
        if not self.over or self._task is None:
            return False
        others = self._task.uncancel()
        cancelled = isinstance(error, asyncio.CancelledError) and others == 0
        return cancelled or isinstance(error, TimeoutError)


class Timers:
    """Timers for one event loop, up to TICK_SECONDS late and never early.

    One timer of the loop's own serves all that are due in the same tick: making and ending one
    for each call costs as much as everything else around the call.
    """

    __slots__ = ("_due", "_next", "_ticks")

    def __init__(self) -> None:
        self._due: dict[int, set[Timer]] = {}
        self._ticks: list[int] = []  # a heap of what is in _due
        self._next: tuple[int, asyncio.TimerHandle] | None = None

    def begin(self, seconds: float) -> Timer:
        """From now on, in this task, the present request may take `seconds` more."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        _deadline.set(when)
        return self.at(when, loop)

    def at(self, when: float, loop: asyncio.AbstractEventLoop) -> Timer:
        """A timer of the present task that is over at that time of the loop's."""
        tick = int(when / TICK_SECONDS) + 1
        due = self._due.get(tick)
        if due is None:
            due = self._due[tick] = set()
            heapq.heappush(self._ticks, tick)
            self._arm(loop)
        return Timer(due)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        first = self._ticks[0]
        if self._next is not None:
            if self._next[0] <= first:
                return
            self._next[1].cancel()
        self._next = first, loop.call_at(first * TICK_SECONDS, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = None
        now = loop.time()
        while self._ticks and self._ticks[0] * TICK_SECONDS <= now:
            for timer in self._due.pop(heapq.heappop(self._ticks)):
                timer.end_now()
        if self._ticks:
            self._arm(loop)


class Receiver(Protocol):
    """Waits for a message."""

    def time_out(self) -> None:
        """The message did not arrive in time."""
        ...


class MessageTimeout:
    """Times out receivers that have waited for `seconds`, and no later than twice that.

    One timer of the event loop serves all receivers, because most of them wait only briefly.
    """

    __slots__ = ("_armed", "_seconds", "_waiting")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[Receiver, float] = {}  # since when, the longest first
        self._armed = False

    def begin(self, receiver: Receiver) -> None:
        """Starts the timeout of a receiver."""
        loop = asyncio.get_running_loop()
        self._waiting[receiver] = loop.time()
        if not self._armed:
            self._arm(loop)

    def end(self, receiver: Receiver) -> None:
        """Cancels the timeout of a receiver, if it is still running."""
        self._waiting.pop(receiver, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        latest = loop.time() - self._seconds
        late = [receiver for receiver, since in self._waiting.items() if since <= latest]
        for receiver in late:
            del self._waiting[receiver]
            receiver.time_out()
        self._armed = False
        if self._waiting:
            self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._armed = True
        # An empty context: the timer must not keep the context of the call that started it.
        loop.call_later(self._seconds, self._look, loop, context=Context())


@contextmanager
def bound(seconds: float) -> Iterator[None]:
    """Inside the block the present request may take `seconds` more."""
    token = _deadline.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def unbound() -> Iterator[None]:
    """Inside the block no deadline is bound."""
    token = _deadline.set(None)
    try:
        yield
    finally:
        _deadline.reset(token)
