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

_log = structlog.get_logger(__name__)

_WORTH_A_WARNING = (UnavailableError, DeadlineExceededError)
_WORTH_A_LINE = (UnauthenticatedError,)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a call may take if its caller names no deadline, and at most; calls at a time."""

    default_deadline_seconds: float
    max_deadline_seconds: float
    concurrent_calls: int


@dataclass(slots=True)
class InFlight:
    """How many calls a server is serving now."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the calls of one method share."""

    service: str
    method: str
    peers: frozenset[str] | None
    limits: Limits
    in_flight: InFlight
    metrics: Metrics
    counters: dict[grpc.StatusCode, Counter] = field(default_factory=dict)

    def count(self, code: grpc.StatusCode, seconds: float) -> None:
        """One more call has ended with the code, after so long."""
        counter = self.counters.get(code)
        if counter is None:
            counter = self.metrics.calls.labels(self.service, self.method, code.name)
            self.counters[code] = counter
        counter.inc()
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

        Raises ResourceExhaustedError if it is one too many; PermissionDeniedError if the
        service is not for the peer's certificate.
        """
        around = self._around
        if around.in_flight.count >= around.limits.concurrent_calls:
            raise ResourceExhaustedError
        self._admitted = True
        around.in_flight.count += 1
        around.metrics.calls_now += 1
        if around.peers is not None:
            check_peer(self._context, around.peers)
        remaining = self._context.time_remaining()
        wanted = around.limits.default_deadline_seconds if remaining is None else remaining
        seconds = max(0.0, min(wanted, around.limits.max_deadline_seconds))
        deadline.bind(seconds)
        self._timer = asyncio.timeout(seconds)
        return self._timer

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        if self._admitted:
            self._around.in_flight.count -= 1
            self._around.metrics.calls_now -= 1
        if isinstance(error, Exception):
            self._failed(error)
        elif error is not None:
            self._code = grpc.StatusCode.CANCELLED
        self._around.count(self._code, time.perf_counter() - self._started)
        return isinstance(error, Exception)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, TimeoutError) and self._timer and self._timer.expired():
            late = DeadlineExceededError()
            late.__cause__, error = error, late
        self._error = error
        self._code = (
            status_code(error) if isinstance(error, KnownError) else grpc.StatusCode.INTERNAL
        )
        self._log(error)

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
