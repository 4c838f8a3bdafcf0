"""A clock that stands still until it is told to move."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vault_svc.ports.clocks import Moment


class StandingClock:
    """See chassis.clock.Clock."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@dataclass
class StandingClocks:
    """See ports.Clocks: the standing clock, and another that may differ from it."""

    clock: StandingClock
    ahead_seconds: float = 0

    async def now(self) -> Moment:
        now = self.clock.now()
        return Moment(*sorted((now, now + timedelta(seconds=self.ahead_seconds))))
