"""Time and randomness as arguments."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

RandomBytes = Callable[[int], bytes]
NewId = Callable[[], UUID]


class Clock(Protocol):
    """Tells the time, in UTC."""

    def now(self) -> datetime:
        """The present moment; always timezone-aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock. See Clock."""

    def now(self) -> datetime:
        """See Clock.now."""
        return datetime.now(UTC)  # noqa: TID251  # the one place that asks the machine
