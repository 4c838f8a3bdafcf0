"""What a server is serving now, and within which bounds."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chassis.admission import ConcurrencyLimiter
from chassis.deadline import MessageTimeout, Timers
from chassis.errors import ResourceExhaustedError
from chassis.fair_queue import FairQueue
from chassis.flood_control import FloodControl
from chassis.identity import Authenticator
from chassis.line_limit import LineLimit
from chassis.log_level import LogLevel
from chassis.metrics import CallFigures, Metrics
from chassis.verification_budget import VerificationBudget

# Calls that wait for an issuer's keys before their credential can be verified.
UNVERIFIED_CALLS = 64
BUSY = "busy"  # the reason of a refusal for want of a place


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a service's calls. Times in seconds.

    A call takes `default_deadline` if its caller names none, and `max_deadline` at most. Its
    request is there within `request`. Open-ended streams have no deadline but their callers';
    `idle` is how long one may send nothing before it ends, None for ever.
    """

    default_deadline_seconds: float = 10.0
    max_deadline_seconds: float = 60.0
    request_seconds: float = 5.0
    idle_seconds: float | None = None
    concurrent_calls: int = 256
    waiting_calls: int = 0
    concurrent_streams: int = 256


class Stream(Protocol):
    """An open-ended stream under way."""

    def drain(self) -> None:
        """It ends now, or as soon as it may."""
        ...


class CallLines:
    """The lines about calls that were not served, each event limited by itself."""

    __slots__ = ("expired", "failed", "faulty", "refused", "too_many")

    def __init__(self, about: Callable[[], Mapping[str, int]]) -> None:
        expired = "calls dropped: they came after their deadline"
        self.too_many = LineLimit(
            "calls refused: too many at a time", per_second=0, about=about
        )
        self.expired = LineLimit(expired, per_second=0, about=about)
        self.refused = LineLimit("call refused", LogLevel.INFO, is_record=True)
        self.failed = LineLimit("call failed")
        self.faulty = LineLimit("call failed", LogLevel.ERROR)


class InFlight:
    """The calls and open-ended streams of one set of limits that are under way."""

    __slots__ = (
        "_stream_places",
        "calls_ended",
        "draining",
        "first_message",
        "limits",
        "lines",
        "next_message",
        "places",
        "queue",
        "streams",
        "timers",
        "unverified",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.places = ConcurrencyLimiter(limits.concurrent_calls + limits.waiting_calls)
        self.queue = FairQueue(limits.concurrent_calls)
        self._stream_places = ConcurrencyLimiter(limits.concurrent_streams)
        self.streams: set[Stream] = set()
        self.unverified = 0
        self.first_message = MessageTimeout(limits.request_seconds)
        idle = limits.idle_seconds
        self.next_message = None if idle is None else MessageTimeout(idle)
        self.timers = Timers()
        self.lines = CallLines(lambda: {"calls_in_flight": self.places.taken})
        self.draining = False
        self.calls_ended = asyncio.Event()

    def begin_unverified(self) -> None:
        """Counts a credential that is being verified, until end_unverified().

        Raises ResourceExhaustedError.
        """
        if self.unverified >= UNVERIFIED_CALLS:
            raise ResourceExhaustedError("too many credentials wait to be verified")
        self.unverified += 1

    def end_unverified(self) -> None:
        """A verification has ended."""
        self.unverified -= 1

    def begin_stream(self, caller: int, stream: Stream) -> None:
        """The stream is under way until end_stream(). Raises ResourceExhaustedError."""
        if not self._stream_places.has_room_for(caller):
            raise ResourceExhaustedError
        self._stream_places.take(caller)
        self.streams.add(stream)

    def end_stream(self, caller: int, stream: Stream) -> None:
        """It is not under way any more."""
        self._stream_places.give_back(caller)
        self.streams.discard(stream)

    def drain(self) -> None:
        """Open-ended streams end as soon as they may, and no other begins; calls go on.

        `calls_ended` is set once there is no call, or has been none for a moment.
        """
        self.draining = True
        for stream in tuple(self.streams):
            stream.drain()
        self.note_end()

    def note_end(self) -> None:
        """A call may have been the last one."""
        if self.draining and self.places.taken == 0:
            self.calls_ended.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class PortContext:
    """What the calls of one port share."""

    name: str
    metrics: Metrics
    authenticator: Authenticator | None
    budget: VerificationBudget
    floods: FloodControl
    back_off: Callable[[], None]

    def refused(self, reason: str) -> None:
        """A call was refused before it was served, for a reason out of a fixed set.

        It is counted; if there are too many calls, the next ones are accepted later.
        """
        self.metrics.refused(self.name, reason)
        if reason == BUSY:
            self.back_off()


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodContext:
    """What the calls of one method share.

    With `peers`, only a peer whose certificate has one of these names may call it. Without
    `needs_token` it is for everyone who may connect.
    """

    service: str
    method: str
    port: PortContext
    in_flight: InFlight
    needs_token: bool = True
    peers: frozenset[str] | None = None
    open_ended: bool = False
    rpc: str = field(init=False)
    figures: CallFigures = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rpc", f"{self.service}/{self.method}")
        calls = self.port.metrics.calls
        object.__setattr__(self, "figures", calls.of(self.service, self.method))
