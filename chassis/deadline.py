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


def bind(seconds: float) -> None:
    """From now on, in this task, the present request may take `seconds` more."""
    _deadline.set(asyncio.get_running_loop().time() + seconds)


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
