"""How long the present request may still take, for everything that it calls.

The server binds it once per call; clients and the database read it. A task that outlives its
request starts with `unbound()`, because tasks inherit the context in which they are made.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
    """Cancels the task that makes it once `seconds` have passed; never, if they are None.

    What asyncio.timeout() does, for a hot path: no context manager, no state but this.
    """

    __slots__ = ("_handle", "_task", "over")

    def __init__(self, seconds: float | None) -> None:
        self._task = asyncio.current_task()
        self._handle: asyncio.TimerHandle | None = None
        self.over = False
        if seconds is not None:
            self._handle = asyncio.get_running_loop().call_later(seconds, self.end_now)

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
        if self._handle is not None:
            self._handle.cancel()
        if not self.over or self._task is None:
            return False
        others = self._task.uncancel()
        cancelled = isinstance(error, asyncio.CancelledError) and others == 0
        return cancelled or isinstance(error, TimeoutError)


def begin(seconds: float) -> Timer:
    """From now on, in this task, the present request may take `seconds` more."""
    _deadline.set(asyncio.get_running_loop().time() + seconds)
    return Timer(seconds)


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
