"""What happens around every method of every servicer, once and in this order.

1. a request id is accepted or made; 2. a call too many is refused; 3. the peer's certificate is
checked, if the service has a list; 4. the request is parsed; 5. the method runs until its
deadline; 6. an error of our vocabulary becomes a status with details, any other INTERNAL
without text; 7. the call is counted and timed.

There is one wrapper per method and no gRPC interceptor, because each interceptor costs as much
as all of this (docs/adr).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from chassis import deadline
from chassis.errors import DeadlineExceededError, InvalidArgumentError, ResourceExhaustedError
from chassis.grpc_outcome import Outcome
from chassis.metrics import Metrics
from chassis.peers import check_peer
from chassis.request_id import REQUEST_ID_KEY, accepted_or_new, bind_request_id

# A grpc.RpcMethodHandler, whose type stub leaves open which of its four behaviours is there.
Handler: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a call may take if its caller names no deadline, and at most; calls at a time."""

    default_deadline_seconds: float
    max_deadline_seconds: float
    concurrent_calls: int


class InFlight:
    """How many calls a server is serving now."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit, self._count = limit, 0
        self._gauge = metrics.calls_in_flight

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Counts one call for the length of the block. Raises ResourceExhaustedError."""
        if self._count >= self._limit:
            raise ResourceExhaustedError
        self._count += 1
        self._gauge.inc()
        try:
            yield
        finally:
            self._count -= 1
            self._gauge.dec()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the methods of one service share."""

    service: str
    peers: frozenset[str] | None
    limits: Limits
    in_flight: InFlight
    metrics: Metrics


class Method:
    """One method of one service, with everything that happens around it."""

    def __init__(self, name: str, handler: Handler, around: Surroundings) -> None:
        self._name, self._handler, self._around = name, handler, around
        # The generated deserializer is the bound FromString of the request's message class.
        self._request_name = getattr(
            handler.request_deserializer, "__self__", type(None)
        ).__name__

    def wrapped(self) -> Handler:
        """The handler that gRPC is to call, with raw bytes in and out. Raises ValueError."""
        if self._handler.request_streaming:
            raise ValueError(
                f"{self._around.service}/{self._name}: no request streams are served"
            )
        if self._handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._answer_stream)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: Any) -> bytes | None:
        with self._call(context) as outcome:
            try:
                with self._admitted(context):
                    async with self._until_deadline(context):
                        message = self._parsed(request)
                        response = await self._handler.unary_unary(message, context)
                        return self._serialised(response)
            except Exception as error:  # noqa: BLE001  # the wall that nothing unknown passes
                outcome.failed(error)
            await outcome.abort(context)
        return None

    async def _answer_stream(self, request: bytes, context: Any) -> None:
        with self._call(context) as outcome:
            try:
                with self._admitted(context):
                    async with self._until_deadline(context):
                        message = self._parsed(request)
                        async with aclosing(
                            self._handler.unary_stream(message, context)
                        ) as answers:
                            async for response in answers:
                                await context.write(self._serialised(response))
            except Exception as error:  # noqa: BLE001  # the wall that nothing unknown passes
                outcome.failed(error)
                await outcome.abort(context)

    @contextmanager
    def _call(self, context: Any) -> Iterator[Outcome]:
        request_id = accepted_or_new(_sent_request_id(context))
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        around = self._around
        with (
            bind_request_id(request_id),
            Outcome(around.service, self._name, around.metrics, request_id) as outcome,
        ):
            yield outcome

    @contextmanager
    def _admitted(self, context: Any) -> Iterator[None]:
        with self._around.in_flight.one_more():
            if self._around.peers is not None:
                check_peer(context, self._around.peers)
            yield

    @asynccontextmanager
    async def _until_deadline(self, context: Any) -> AsyncIterator[None]:
        limits, remaining = self._around.limits, context.time_remaining()
        wanted = limits.default_deadline_seconds if remaining is None else remaining
        seconds = max(0.0, min(wanted, limits.max_deadline_seconds))
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                with deadline.bound(seconds):
                    yield
        except TimeoutError as error:
            if timer.expired():
                raise DeadlineExceededError from error
            raise

    def _parsed(self, request: bytes) -> Any:
        try:
            return self._handler.request_deserializer(request)
        except DecodeError:
            raise InvalidArgumentError(
                f"the request is not a valid {self._request_name} message"
            ) from None

    def _serialised(self, response: Any) -> bytes:
        serialised: bytes = self._handler.response_serializer(response)
        return serialised


def _sent_request_id(context: Any) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY:
            return value if isinstance(value, str) else None
    return None
