"""One call under way: its id, its admission, its deadline, and how it ended.

Straight-line code: this runs around every call, and gRPC gives each call a task, so a context,
of its own, so that what is bound in it need not be unbound. A call is itself what gRPC calls a
handler, made when the headers are there: they are read once, and the request not yet.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import grpc
import structlog

from chassis.admission import NOBODY, caller_key
from chassis.deadline import Timer, remaining_seconds
from chassis.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    KnownError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.fair_queue import Start
from chassis.grpc_status import DETAILS_KEY, status_code, to_status
from chassis.identity import ACCESS_TOKEN_KEY, AUTHORIZATION_KEY
from chassis.in_flight import Surroundings
from chassis.peers import check_peer
from chassis.redaction import describe_exception
from chassis.request_id import REQUEST_ID_KEY, accepted_or_new, set_request_id
from chassis.telemetry import record

LEFT_SECONDS = 0.1
DRAINING = "the server is stopping; please go on elsewhere"

Metadata = Sequence[tuple[str, str | bytes]]

_log = structlog.get_logger(__name__)

_WORTH_A_WARNING = (UnavailableError, DeadlineExceededError)
_WORTH_A_LINE = (UnauthenticatedError,)


class CallContext:
    """gRPC's own context of a call, whose metadata is read once and not each time."""

    __slots__ = ("_context", "_metadata")

    def __init__(self, context: Any, metadata: Metadata) -> None:
        self._context, self._metadata = context, metadata

    def invocation_metadata(self) -> Metadata:
        """What the caller sent with the call."""
        return self._metadata

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class Call:
    """Begins, ends and answers for one call. `caller` tells whose place it takes."""

    # What gRPC asks of a handler; bytes go in and out as they are. The request is read here,
    # as a stream of one: a call has its place and its deadline while the request is on its way.
    request_streaming: ClassVar[bool] = True
    response_streaming: ClassVar[bool] = False
    request_deserializer: ClassVar[None] = None
    response_serializer: ClassVar[None] = None

    __slots__ = (
        "_admitted",
        "_around",
        "_code",
        "_context",
        "_error",
        "_in_time",
        "_metadata",
        "_started",
        "_timer",
        "caller",
        "id",
    )

    def __init__(self, around: Surroundings, metadata: Metadata) -> None:
        self._around, self._metadata = around, metadata
        self._code = grpc.StatusCode.OK
        self._error: Exception | None = None
        self._admitted = self._in_time = False
        self._timer: Timer | None = None
        self._context: Any = None
        self._started = time.perf_counter()
        self.caller, sent_id = NOBODY, None
        for key, value in metadata:
            if key in (ACCESS_TOKEN_KEY, AUTHORIZATION_KEY):
                self.caller = caller_key(value)
            elif key == REQUEST_ID_KEY and sent_id is None and isinstance(value, str):
                sent_id = value
        self.id = accepted_or_new(sent_id)

    def arrive(self) -> bool:
        """Whether the call is taken on; if so it has a place, until it ends."""
        around = self._around
        if around.open_ended:
            return True
        places = around.in_flight.places
        if not places.has_room_for(self.caller):
            return False
        places.take(self.caller)
        around.metrics.calls_now += 1
        self._admitted = True
        return True

    def queue(self, start: Start) -> None:
        """`start` is called when it is this call's turn; it is to lead to begin()."""
        around = self._around
        if around.open_ended:
            start()
        else:
            around.metrics.calls_waiting += 1
            around.in_flight.queue.enter(self.caller, start)

    def begin(self, context: Any) -> CallContext:
        """The call has its id and its timer, and may be served.

        Raises DeadlineExceededError if it comes too late; ResourceExhaustedError and
        UnavailableError for an open-ended stream, if it is one too many or the server drains;
        PermissionDeniedError if the service is not for the peer's certificate.
        """
        self._context = context
        set_request_id(self.id)
        context.set_trailing_metadata(((REQUEST_ID_KEY, self.id),))
        around = self._around
        if around.open_ended:
            self._admit_stream()
        else:
            self._bound()
        if around.peers is not None:
            check_peer(context, around.peers)
        return CallContext(context, self._metadata)

    def _bound(self) -> None:
        around = self._around
        limits = around.limits
        around.metrics.calls_waiting -= 1
        remaining = self._context.time_remaining()
        if remaining is None:
            waited = time.perf_counter() - self._started
            remaining = limits.default_deadline_seconds - waited
        seconds = min(remaining, limits.max_deadline_seconds)
        if seconds <= 0:
            raise DeadlineExceededError
        self._timer = around.in_flight.timers.begin(seconds)

    async def request(self) -> bytes:
        """The request, once all of it is there.

        Raises InvalidArgumentError if none comes; DeadlineExceededError if it comes too late.
        """
        request: bytes = await self._context.read()
        if request is grpc.aio.EOF:  # type: ignore[attr-defined]  # its stub has it not
            # It looks the same if the caller has left, of which this task is told by now or
            # soon: by being cancelled.
            await asyncio.sleep(LEFT_SECONDS)
            raise InvalidArgumentError("the call has no request")
        if remaining_seconds() == 0:
            raise DeadlineExceededError
        self._in_time = True
        return request

    def _admit_stream(self) -> None:
        """No deadline is bound: each step of an open-ended stream has bounds of its own."""
        in_flight = self._around.in_flight
        if in_flight.draining:
            raise UnavailableError(DRAINING)
        if len(in_flight.streams) >= self._around.limits.concurrent_streams:
            raise ResourceExhaustedError
        seconds = self._context.time_remaining()
        if seconds is None:
            self._timer = Timer()
        else:
            loop = asyncio.get_running_loop()
            self._timer = in_flight.timers.at(loop.time() + seconds, loop)
        in_flight.streams.add(self)
        self._around.metrics.streams_now += 1

    def drain(self) -> None:
        """An open-ended stream ends now, or as soon as it may."""
        if self._timer is not None:
            self._timer.end_now()

    def _leave(self) -> None:
        around, in_flight = self._around, self._around.in_flight
        if self._admitted:
            in_flight.queue.leave(self.caller)
            in_flight.places.give_back(self.caller)
            around.metrics.calls_now -= 1
            in_flight.note_end()
        elif self._timer is not None:
            in_flight.streams.discard(self)
            around.metrics.streams_now -= 1

    def end(self, error: BaseException | None = None) -> bool:
        """The call has left its place, and is counted by how it ended.

        True if abort() is to answer for the error; a cancelled call has nobody to be answered.
        """
        self._leave()
        if self._timer is not None and self._timer.ended(error):
            late = self._late()
            late.__cause__, error = error, late
        if isinstance(error, Exception):
            self._failed(error)
        elif error is not None:
            self._code = grpc.StatusCode.CANCELLED
        self.count()
        return isinstance(error, Exception)

    def count(self) -> None:
        """The figures tell how the call ended and how long it took."""
        figures = self._around.figures
        figures.ended(self._code.name)
        if self._is_timed:
            figures.took(time.perf_counter() - self._started)

    @property
    def _is_timed(self) -> bool:
        """Not if it takes as long as its caller likes."""
        return not self._around.open_ended

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._code = (
            status_code(error) if isinstance(error, KnownError) else grpc.StatusCode.INTERNAL
        )
        if self._around.open_ended:
            if self._timer is None or not self._timer.over:  # as every such stream ends
                self._log(error)
        elif isinstance(error, DeadlineExceededError) and not self._in_time:
            self._around.in_flight.expired.one_more()
        else:
            self._log(error)

    def _late(self) -> KnownError:
        drained = self._around.open_ended and self._around.in_flight.draining
        return UnavailableError(DRAINING) if drained else DeadlineExceededError()

    def _log(self, error: Exception) -> None:
        rpc = self._around.rpc
        if isinstance(error, _WORTH_A_WARNING):
            _log.warning("call failed", rpc=rpc, failure=describe_exception(error))
        elif isinstance(error, _WORTH_A_LINE):
            record("call refused", rpc=rpc, rule=error.message)
        elif not isinstance(error, (KnownError, grpc.aio.AbortError)):
            _log.error("call failed", rpc=rpc, failure=describe_exception(error))

    async def abort(self) -> None:
        """Ends the call with the status of the error that ended it; always raises."""
        error, self._error = self._error, None  # it leads back here, by its traceback
        context, self._context = self._context, None
        try:
            if isinstance(error, grpc.aio.AbortError):
                raise error  # the method has ended the call itself
            await context.abort(self._code, *_status(error, self.id))
        finally:
            del error, context


def _status(
    error: Exception | None, request_id: str
) -> tuple[str, tuple[tuple[str, str | bytes], ...]]:
    """The message and the trailing metadata of the answer."""
    if not isinstance(error, KnownError):
        return "internal error", ((REQUEST_ID_KEY, request_id),)
    status = to_status(error)
    details = (DETAILS_KEY, status.SerializeToString())
    return status.message, ((REQUEST_ID_KEY, request_id), details)
