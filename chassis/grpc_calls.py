"""One call under way: its id, its caller, its admission, its deadline, and how it ended.

Straight-line code: this runs around every call, and gRPC gives each call a task, so a context,
of its own, so that what is bound in it need not be unbound. A call is itself what gRPC calls a
handler, made when the headers are there: they are read once, and the request not yet.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import grpc

from chassis.caller import Caller
from chassis.deadline import MessageTimeout, Timer, remaining_seconds
from chassis.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    KnownError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_status import DETAILS_KEY, status_code, to_status
from chassis.identity import Authenticator
from chassis.in_flight import BUSY, MethodContext
from chassis.peers import check_peer
from chassis.redaction import describe_exception
from chassis.request_id import REQUEST_ID_KEY, accepted_or_new, set_request_id
from chassis.source_address import source_of_peer

LEFT_SECONDS = 0.1
METADATA_BYTES = 32_768  # a token of 16 KiB and room beside it
METADATA_FIELD_BYTES = 32  # what a field counts beyond its name and value (RFC 9113 §6.5.2)
DRAINING = "the server is stopping; please go on elsewhere"

Metadata = Sequence[tuple[str, str | bytes]]

_WORTH_A_LINE = (UnauthenticatedError,)


class CallContext:
    """gRPC's own context of a call, whose metadata is read once and not each time."""

    __slots__ = ("_authenticator", "_caller", "_context", "_metadata")

    def __init__(
        self,
        context: Any,
        metadata: Metadata,
        caller: Caller | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._context, self._metadata = context, metadata
        self._caller, self._authenticator = caller, authenticator

    def invocation_metadata(self) -> Metadata:
        """What the caller sent with the call."""
        return self._metadata

    @property
    def caller(self) -> Caller:
        """Who is calling. Raises UnauthenticatedError if the method needs no token."""
        if self._caller is None:
            raise UnauthenticatedError
        return self._caller

    async def caller_now(self) -> Caller:
        """Who is calling, if the token is still accepted. Raises as Authenticator.caller()."""
        if self._authenticator is None:
            raise UnauthenticatedError
        return await self._authenticator.caller(self._metadata)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class Call:
    """Begins, ends and answers for one call."""

    # What gRPC asks of a handler; bytes go in and out as they are. The request is read here,
    # as a stream of one: a call is admitted before its request is received.
    request_streaming: ClassVar[bool] = True
    response_streaming: ClassVar[bool] = False
    request_deserializer: ClassVar[None] = None
    response_serializer: ClassVar[None] = None

    __slots__ = (
        "_code",
        "_context",
        "_error",
        "_in_time",
        "_is_silent",
        "_is_suspect",
        "_key",
        "_metadata",
        "_method",
        "_place",
        "_refused_for",
        "_served",
        "_started",
        "_timer",
        "id",
    )

    def __init__(self, method: MethodContext, metadata: Metadata) -> None:
        self._method, self._metadata = method, metadata
        self._code = grpc.StatusCode.OK
        self._error: Exception | None = None
        self._place = self._served = self._in_time = False
        self._is_silent = False
        self._is_suspect = True  # it counts as one of a flood, if there is one
        self._key = 0
        self._refused_for = ""  # the reason that is counted if the next step refuses the call
        self._timer: Timer | None = None
        self._context: Any = None
        self._started = time.perf_counter()
        self.id = ""

    async def begin(self, context: Any) -> CallContext:
        """The call has its id, its caller and its timer, and it is its turn to be served.

        Raises InvalidArgumentError if its headers are too large; PermissionDeniedError if the
        method is not for the peer's certificate; UnauthenticatedError and UnavailableError as
        Authenticator.caller(); ResourceExhaustedError if a limit on calls is reached;
        DeadlineExceededError if its deadline has passed; UnavailableError for an open-ended
        stream if the server drains.
        """
        self._context, method = context, self._method
        self._refused_for = "headers"
        self._identify()
        if method.peers is not None:
            self._refused_for = "peer"
            check_peer(context, method.peers)
        self._refused_for = "credential"
        caller = await self._authenticated() if method.needs_token else None
        if caller is not None or method.peers is not None:
            self._is_suspect = False
            method.port.floods.trust(context.peer())
        self._key = self._caller_key(caller)
        self._refused_for = BUSY
        if method.open_ended:
            self._admit_stream()
        else:
            await self._admit()
        return CallContext(context, self._metadata, caller, method.port.authenticator)

    def _identify(self) -> None:
        """Sets the call's id. Raises InvalidArgumentError if its headers are too large."""
        size, sent_id = 0, None
        for key, value in self._metadata:
            size += len(key) + len(value) + METADATA_FIELD_BYTES
            if key == REQUEST_ID_KEY and sent_id is None and isinstance(value, str):
                sent_id = value
        self.id = accepted_or_new(sent_id)
        set_request_id(self.id)
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, self.id),))
        if size > METADATA_BYTES:
            self._metadata = ()
            problem = f"the call's headers have more than {METADATA_BYTES} bytes"
            raise InvalidArgumentError(problem)

    async def _authenticated(self) -> Caller:
        """Who is calling, by the one credential among the headers."""
        port = self._method.port
        if port.authenticator is None:
            raise UnauthenticatedError
        caller = port.authenticator.remembered(self._metadata)
        return caller or await self._verified(port.authenticator)

    async def _verified(self, authenticator: Authenticator) -> Caller:
        """The caller, verified within its source's budget; the call has no place meanwhile."""
        port, in_flight = self._method.port, self._method.in_flight
        source = source_of_peer(self._context.peer())
        self._refused_for = "unverified"
        port.budget.spend(source)
        self._is_suspect = False  # if it fails now, that may be for want of an issuer's keys
        in_flight.begin_unverified()
        self._refused_for = "credential"
        try:
            caller = await authenticator.caller(self._metadata)
        except UnavailableError:  # no key of the issuer could be had: nothing was verified
            port.budget.refund(source)
            port.floods.trust(self._context.peer())
            raise
        except UnauthenticatedError:
            self._is_suspect = True
            raise
        finally:
            in_flight.end_unverified()
        port.budget.refund(source)
        return caller

    def _caller_key(self, caller: Caller | None) -> int:
        """Whose place the call takes."""
        if caller is not None:
            return hash(caller.principal)
        peer = self._context.peer()
        return hash(source_of_peer(peer) if self._method.peers is None else peer)

    async def _admit(self) -> None:
        """The call has its place, its timer runs, and it is its turn."""
        in_flight = self._method.in_flight
        seconds = self._seconds_left()
        if not in_flight.places.has_room_for(self._key):
            raise ResourceExhaustedError
        in_flight.places.take(self._key)
        self._place, self._refused_for = True, ""
        self._method.port.metrics.calls_now += 1
        self._timer = in_flight.timers.begin(seconds)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not in_flight.queue.enter(self._key, turn):
            await self._wait_for(turn)
        self._served = True

    def _seconds_left(self) -> float:
        """Of the call's deadline. Raises DeadlineExceededError."""
        limits = self._method.in_flight.limits
        remaining: float | None = self._context.time_remaining()
        if remaining is None:
            remaining = limits.default_deadline_seconds
        if remaining <= 0:
            raise DeadlineExceededError
        return min(remaining, limits.max_deadline_seconds)

    async def _wait_for(self, turn: asyncio.Future[None]) -> None:
        metrics, queue = self._method.port.metrics, self._method.in_flight.queue
        metrics.calls_waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                queue.withdraw(self._key, turn)
            else:  # it was its turn at the same moment
                queue.leave(self._key)
            raise
        finally:
            metrics.calls_waiting -= 1

    def _admit_stream(self) -> None:
        """No deadline is bound: each step of an open-ended stream has bounds of its own."""
        in_flight = self._method.in_flight
        if in_flight.draining:
            raise UnavailableError(DRAINING)
        seconds = self._context.time_remaining()
        in_flight.begin_stream(self._key, self)
        self._place, self._refused_for = True, ""
        if seconds is None:
            self._timer = Timer()
        else:
            loop = asyncio.get_running_loop()
            self._timer = in_flight.timers.at(loop.time() + seconds, loop)
        self._method.port.metrics.streams_now += 1

    async def request(self) -> bytes:
        """The request, once all of it is there.

        Raises InvalidArgumentError if none comes; DeadlineExceededError if it comes too late.
        """
        request = await self.received(self._method.in_flight.first_message)
        if request is None:
            # It looks the same if the caller has left, of which this task is told by now or
            # soon: by being cancelled.
            await asyncio.sleep(LEFT_SECONDS)
            raise InvalidArgumentError("the call has no request")
        if remaining_seconds() == 0:
            raise DeadlineExceededError
        self._in_time = True
        return request

    async def received(self, timeout: MessageTimeout | None) -> bytes | None:
        """The next request, or None at the end of the stream. Times the call out if late."""
        if timeout is not None:
            timeout.begin(self)
        try:
            message: bytes = await self._context.read()
        finally:
            if timeout is not None:
                timeout.end(self)
        return None if message is grpc.aio.EOF else message  # type: ignore[attr-defined]  # its stub has it not

    def time_out(self) -> None:
        """Ends the call: the next request did not arrive in time."""
        self._is_silent = True
        self._method.port.refused("no request")
        if self._timer is not None:
            self._timer.end_now()

    def drain(self) -> None:
        """An open-ended stream ends now, or as soon as it may."""
        if self._timer is not None:
            self._timer.end_now()

    def _leave(self) -> None:
        in_flight, metrics = self._method.in_flight, self._method.port.metrics
        if not self._place:
            return
        if self._method.open_ended:
            in_flight.end_stream(self._key, self)
            metrics.streams_now -= 1
            return
        if self._served:
            in_flight.queue.leave(self._key)
        in_flight.places.give_back(self._key)
        metrics.calls_now -= 1
        in_flight.note_end()

    def end(self, error: BaseException | None = None) -> bool:
        """The call has left its place, and is counted by how it ended.

        True if abort() is to answer for the error; a cancelled call has nobody to be answered.
        """
        self._leave()
        if self._is_suspect:
            self._method.port.floods.unverified(self._context.peer())
        self._metadata = ()  # an error that ends a call is kept until the port's next call
        if self._timer is not None and self._timer.ended(error):
            late = self._late()
            late.__cause__, error = error, late
        if isinstance(error, Exception):
            self._fail(error)
        elif error is not None:
            self._code = grpc.StatusCode.CANCELLED
        self.count()
        return isinstance(error, Exception)

    def count(self) -> None:
        """The figures tell how the call ended and how long it took."""
        figures = self._method.figures
        figures.ended(self._code.name)
        if self._is_timed:
            figures.took(time.perf_counter() - self._started)

    @property
    def _is_timed(self) -> bool:
        """Not if it takes as long as its caller likes."""
        return not self._method.open_ended

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._code = (
            status_code(error) if isinstance(error, KnownError) else grpc.StatusCode.INTERNAL
        )
        if self._refused_for and isinstance(error, KnownError) and not _is_fault(error):
            self._method.port.refused(self._refused_for)
        if isinstance(error, ResourceExhaustedError) and not self._place:
            self._method.in_flight.lines.too_many.say()  # it has no line of its own
        elif self._method.open_ended:
            if self._timer is None or not self._timer.over:  # as every such stream ends
                self._log(error)
        elif isinstance(error, DeadlineExceededError) and not self._in_time:
            self._method.in_flight.lines.expired.say()
        else:
            self._log(error)

    def _late(self) -> KnownError:
        if self._is_silent:
            return DeadlineExceededError("the request did not come in time")
        drained = self._method.open_ended and self._method.in_flight.draining
        return UnavailableError(DRAINING) if drained else DeadlineExceededError()

    def _log(self, error: Exception) -> None:
        rpc, lines = self._method.rpc, self._method.in_flight.lines
        if _is_fault(error):
            lines.failed.say(rpc=rpc, failure=describe_exception(error))
        elif isinstance(error, _WORTH_A_LINE):
            lines.refused.say(rpc=rpc, rule=error.message)
        elif not isinstance(error, (KnownError, grpc.aio.AbortError)):
            lines.faulty.say(rpc=rpc, failure=describe_exception(error))

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


def _is_fault(error: Exception) -> bool:
    """Whether the call failed for no reason of its caller's."""
    return isinstance(error, (UnavailableError, DeadlineExceededError))


def _status(
    error: Exception | None, request_id: str
) -> tuple[str, tuple[tuple[str, str | bytes], ...]]:
    """The message and the trailing metadata of the answer."""
    if not isinstance(error, KnownError):
        return "internal error", ((REQUEST_ID_KEY, request_id),)
    if type(error) is ResourceExhaustedError:
        # The code alone says which error it is; details are a fifth of what a refusal costs.
        return error.message, ((REQUEST_ID_KEY, request_id),)
    status = to_status(error)
    details = (DETAILS_KEY, status.SerializeToString())
    return status.message, ((REQUEST_ID_KEY, request_id), details)
