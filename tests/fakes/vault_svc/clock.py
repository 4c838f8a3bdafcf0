"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta


class StandingClock:
    """See chassis.clock.Clock."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
