"""One call under way: its id, its admission, its deadline, and how it ended.

Straight-line code: this runs around every call, and gRPC gives each call a task, so a context,
of its own, so that what is bound in it need not be unbound.
"""

import asyncio
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
import structlog
from prometheus_client import Counter

from chassis import deadline
from chassis.errors import (
    DeadlineExceededError,
    KnownError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_status import DETAILS_KEY, status_code, to_status
from chassis.metrics import Metrics
from chassis.peers import check_peer
from chassis.redaction import describe_exception
from chassis.request_id import REQUEST_ID_KEY, accepted_or_new, set_request_id

DRAINING = "the server is stopping; please go on elsewhere"

_log = structlog.get_logger(__name__)

_WORTH_A_WARNING = (UnavailableError, DeadlineExceededError)
_WORTH_A_LINE = (UnauthenticatedError,)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a call may take if its caller names no deadline, and at most; calls at a time.

    Open-ended streams have a bound of their own, and no deadline but their callers'.
    """

    default_deadline_seconds: float
    max_deadline_seconds: float
    concurrent_calls: int
    concurrent_streams: int


@dataclass(slots=True)
class InFlight:
    """What a server is serving now: how many calls, and the timer of each open-ended stream."""

    count: int = 0
    streams: set[asyncio.Timeout] = field(default_factory=set)
    draining: bool = False
    calls_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def drain(self) -> None:
        """Open-ended streams end now, and no other begins; calls go on.

        `calls_ended` is set once there is no call, or has been none for a moment.
        """
        self.draining = True
        for timer in self.streams:
            timer.reschedule(asyncio.get_running_loop().time())
        self.note_end()

    def note_end(self) -> None:
        """A call may have been the last one."""
        if self.draining and self.count == 0:
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
    counters: dict[grpc.StatusCode, Counter] = field(default_factory=dict)

    def count(self, code: grpc.StatusCode, seconds: float) -> None:
        """One more call has ended with the code, after so long."""
        counter = self.counters.get(code)
        if counter is None:
            counter = self.metrics.calls.labels(self.service, self.method, code.name)
            self.counters[code] = counter
        counter.inc()
        if not self.open_ended:  # such a stream takes as long as its caller likes
            self.metrics.call_seconds.labels(self.service, self.method).observe(seconds)


class Call:
    """A block in which one call is served; it swallows the error that it will answer with."""

    __slots__ = (
        "_admitted",
        "_around",
        "_code",
        "_context",
        "_error",
        "_started",
        "_timer",
        "id",
    )

    def __init__(self, around: Surroundings, context: Any) -> None:
        self._around, self._context = around, context
        self._code = grpc.StatusCode.OK
        self._error: Exception | None = None
        self._admitted = False
        self._timer: asyncio.Timeout | None = None
        self._started = time.perf_counter()
        self.id = accepted_or_new(_sent_id(context))

    def __enter__(self) -> Self:
        set_request_id(self.id)
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, self.id),))
        return self

    def admitted(self) -> asyncio.Timeout:
        """The timer within which the call is to be served.

        Raises ResourceExhaustedError if it is one too many; UnavailableError for an open-ended
        stream once the server drains; PermissionDeniedError if the service is not for the
        peer's certificate.
        """
        around = self._around
        self._timer = self._admit_stream() if around.open_ended else self._admit_call()
        self._admitted = True
        if around.peers is not None:
            check_peer(self._context, around.peers)
        return self._timer

    def _admit_call(self) -> asyncio.Timeout:
        limits, in_flight = self._around.limits, self._around.in_flight
        if in_flight.count >= limits.concurrent_calls:
            raise ResourceExhaustedError
        in_flight.count += 1
        self._around.metrics.calls_now += 1
        remaining = self._context.time_remaining()
        wanted = limits.default_deadline_seconds if remaining is None else remaining
        seconds = max(0.0, min(wanted, limits.max_deadline_seconds))
        deadline.bind(seconds)
        return asyncio.timeout(seconds)

    def _admit_stream(self) -> asyncio.Timeout:
        """No deadline is bound: each step of an open-ended stream has bounds of its own."""
        in_flight = self._around.in_flight
        if in_flight.draining:
            raise UnavailableError(DRAINING)
        if len(in_flight.streams) >= self._around.limits.concurrent_streams:
            raise ResourceExhaustedError
        timer = asyncio.timeout(self._context.time_remaining())
        in_flight.streams.add(timer)
        self._around.metrics.streams_now += 1
        return timer

    def _leave(self) -> None:
        around = self._around
        if self._timer in around.in_flight.streams:
            around.in_flight.streams.discard(self._timer)
            around.metrics.streams_now -= 1
        elif self._admitted:
            around.in_flight.count -= 1
            around.metrics.calls_now -= 1
            around.in_flight.note_end()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        self._leave()
        if isinstance(error, Exception):
            self._failed(error)
        elif error is not None:
            self._code = grpc.StatusCode.CANCELLED
        self._around.count(self._code, time.perf_counter() - self._started)
        return isinstance(error, Exception)

    def _failed(self, error: Exception) -> None:
        ended = isinstance(error, TimeoutError) and self._timer and self._timer.expired()
        if ended:
            late = self._late()
            late.__cause__, error = error, late
        self._error = error
        self._code = (
            status_code(error) if isinstance(error, KnownError) else grpc.StatusCode.INTERNAL
        )
        if not (ended and self._around.open_ended):  # how every open-ended stream ends
            self._log(error)

    def _late(self) -> KnownError:
        drained = self._around.open_ended and self._around.in_flight.draining
        return UnavailableError(DRAINING) if drained else DeadlineExceededError()

    def _log(self, error: Exception) -> None:
        rpc = f"{self._around.service}/{self._around.method}"
        if isinstance(error, _WORTH_A_WARNING):
            _log.warning("call failed", rpc=rpc, failure=describe_exception(error))
        elif isinstance(error, _WORTH_A_LINE):
            _log.info("call refused", rpc=rpc, rule=error.message)
        elif not isinstance(error, (KnownError, grpc.aio.AbortError)):
            _log.error("call failed", rpc=rpc, failure=describe_exception(error))

    async def abort(self) -> None:
        """Ends the call with the status of the error that left the block; always raises."""
        metadata: tuple[tuple[str, str | bytes], ...] = ((REQUEST_ID_KEY, self.id),)
        if isinstance(self._error, grpc.aio.AbortError):
            raise self._error  # the method has ended the call itself
        if isinstance(self._error, KnownError):
            status = to_status(self._error)
            details = (DETAILS_KEY, status.SerializeToString())
            await self._context.abort(self._code, status.message, (*metadata, details))
        await self._context.abort(self._code, "internal error", metadata)


def _sent_id(context: Any) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY:
            return value if isinstance(value, str) else None
    return None
