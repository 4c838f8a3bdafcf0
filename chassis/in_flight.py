"""What a server is serving now, and within which bounds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from chassis.admission import Places
from chassis.deadline import Timers
from chassis.fair_queue import FairQueue
from chassis.metrics import CallFigures, Metrics

TELL_AFTER_SECONDS = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a call may take if its caller names no deadline, and at most.

    Open-ended streams have no deadline but their callers'; there are only so many at a time.
    """

    default_deadline_seconds: float
    max_deadline_seconds: float
    concurrent_streams: int


class Tally:
    """Counts what would be too many lines, and says once a second how many there were."""

    __slots__ = ("_count", "_event", "_now")

    def __init__(self, event: str, now: Callable[[], int]) -> None:
        self._event, self._now, self._count = event, now, 0

    def one_more(self) -> None:
        """One more happened; a line follows within a second."""
        if self._count == 0:
            asyncio.get_running_loop().call_later(TELL_AFTER_SECONDS, self._tell)
        self._count += 1

    def _tell(self) -> None:
        _log.warning(self._event, count=self._count, calls_in_flight=self._now())
        self._count = 0


class Stream(Protocol):
    """An open-ended stream under way."""

    def drain(self) -> None:
        """It ends now, or as soon as it may."""
        ...


class InFlight:
    """The places for calls, who of them is served, and the open-ended streams under way."""

    __slots__ = (
        "calls_ended",
        "draining",
        "expired",
        "places",
        "queue",
        "refused",
        "streams",
        "timers",
    )

    def __init__(self, concurrent_calls: int, waiting_calls: int) -> None:
        self.places = Places(concurrent_calls + waiting_calls)
        self.queue = FairQueue(concurrent_calls)
        self.streams: set[Stream] = set()
        self.timers = Timers()
        self.refused = Tally("calls refused: too many at a time", lambda: self.places.taken)
        self.expired = Tally(
            "calls dropped: they came after their deadline", lambda: self.places.taken
        )
        self.draining = False
        self.calls_ended = asyncio.Event()

    def drain(self) -> None:
        """Open-ended streams end as soon as they may, and no other begins; calls go on.

        `calls_ended` is set once there is no call, or has been none for a moment.
        """
        self.draining = True
        for stream in self.streams:
            stream.drain()
        self.note_end()

    def note_end(self) -> None:
        """A call may have been the last one."""
        if self.draining and self.places.taken == 0:
            self.calls_ended.set()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the calls of one method share."""

    service: str
    method: str
    peers: frozenset[str] | None
    limits: Limits
    in_flight: InFlight
    metrics: Metrics
    open_ended: bool = False
    rpc: str = field(init=False)
    figures: CallFigures = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rpc", f"{self.service}/{self.method}")
        object.__setattr__(self, "figures", self.metrics.calls.of(self.service, self.method))
