"""What happens around every method of every servicer, once and in this order.

1. a request id is accepted or made; 2. a call whose headers are too large is refused; 3. the
peer's certificate is checked, if the service has a list; 4. the caller's credential is
verified, unless the method is for everyone; 5. a call too many is refused, one that comes after
its deadline too, and others wait for their turn; 6. the request is received and parsed; 7. the
method runs until its deadline; 8. an error of our vocabulary becomes a status with details, any
other INTERNAL without text; 9. the call is counted and timed.

Where requests come as a stream, each is answered before the next is read, and is a call of its
own as far as 8. and 9. are concerned.

There is one wrapper per method and no gRPC interceptor: an interceptor costs as much as all of
this. gRPC asks for a handler once the headers are there, and the request is read here.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Self, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from chassis.deadline import MessageTimeout
from chassis.errors import InvalidArgumentError
from chassis.grpc_calls import Call, Metadata
from chassis.in_flight import MethodContext, PortContext
from chassis.redaction import describe_exception

# A grpc.RpcMethodHandler, whose type stub leaves open which of its four behaviours is there.
Handler: TypeAlias = Any

_log = structlog.get_logger(__name__)


def _not_counted(_peer: str) -> None:
    """The call is no fault of its caller's."""


class Method:
    """One method of one service, with everything that happens around it."""

    def __init__(self, handler: Handler, context: MethodContext) -> None:
        streams = (bool(handler.request_streaming), bool(handler.response_streaming))
        if streams == (True, False):
            raise ValueError(f"{context.rpc}: no stream of requests with one answer is served")
        if handler.request_streaming and not context.open_ended:
            raise ValueError(f"{context.rpc}: a stream of requests is open-ended")
        self.context = context
        kind, self._call = _KINDS[streams]
        self.behaviour = getattr(handler, kind)
        self.serialised = handler.response_serializer
        self._parse = handler.request_deserializer
        # The generated deserializer is the bound FromString of the request's message class.
        self._request_name = getattr(self._parse, "__self__", type(None)).__name__

    def call(self, metadata: Metadata) -> Handler:
        """What serves the call that these headers begin, or refuses it."""
        return self._call(self, metadata)

    def parsed(self, request: bytes) -> Any:
        """The request's message. Raises InvalidArgumentError."""
        try:
            return self._parse(request)
        except DecodeError:
            raise InvalidArgumentError(
                f"the request is not a valid {self._request_name} message"
            ) from None


class Methods(grpc.GenericRpcHandler):
    """Every method of a port, by its full name. `arrived` counts the calls that have come."""

    def __init__(self, methods: Mapping[str, Method], port: PortContext) -> None:
        self._methods = {f"/{name}": method for name, method in methods.items()}
        self._port = port
        self._unknown = _Refusal(
            grpc.StatusCode.UNIMPLEMENTED, "Method not found!", port.floods.unverified
        )
        self.arrived = 0

    def service(self, handler_call_details: Any) -> Handler:
        """See grpc.GenericRpcHandler."""
        self.arrived += 1
        try:
            method = self._methods.get(handler_call_details.method)
            if method is None:
                self._port.refused("unknown method")
                return self._unknown
            return method.call(handler_call_details.invocation_metadata)
        except Exception as error:  # noqa: BLE001  # grpc.aio would send its text to the caller
            _log.error("call failed", failure=describe_exception(error))
            return _BROKEN


class _Refusal:
    """Handles a call by ending it with a status."""

    request_streaming: ClassVar[bool] = True
    response_streaming: ClassVar[bool] = False
    request_deserializer: ClassVar[None] = None
    response_serializer: ClassVar[None] = None

    def __init__(
        self, code: grpc.StatusCode, text: str, seen: Callable[[str], None] = _not_counted
    ) -> None:
        """`seen` is called with the peer of each call, as gRPC names it."""
        self._code, self._text, self._seen = code, text, seen

    async def stream_unary(self, _requests: Any, context: Any) -> None:
        self._seen(context.peer())
        await context.abort(self._code, self._text)


_BROKEN = _Refusal(grpc.StatusCode.INTERNAL, "internal error")  # without any text of the error


class _UnaryCall(Call):
    """A call that gets one answer."""

    __slots__ = ("_serving",)

    def __init__(self, method: Method, metadata: Metadata) -> None:
        super().__init__(method.context, metadata)
        self._serving = method

    async def stream_unary(self, requests: Any, context: Any) -> bytes | None:
        """The answer's bytes; the call ends with a status if there is none."""
        answer = await self._answer(context)
        if answer is None:
            del requests, context  # the error that ends a call would keep them, and they it
            await self.abort()
        return answer

    async def _answer(self, context: Any) -> bytes | None:
        method = self._serving
        try:
            known = await self.begin(context)
            request = method.parsed(await self.request())
            response = await method.behaviour(request, known)
            serialised: bytes = method.serialised(response)
        except BaseException as error:
            if not self.end(error):
                raise
        else:
            self.end()
            return serialised
        return None


class _StreamCall(Call):
    """A call that gets any number of answers."""

    response_streaming: ClassVar[bool] = True

    __slots__ = ("_serving",)

    def __init__(self, method: Method, metadata: Metadata) -> None:
        super().__init__(method.context, metadata)
        self._serving = method

    async def stream_stream(self, requests: Any, context: Any) -> None:
        """Every answer has been written, or the call has ended with a status."""
        answered = await self._answer(context)
        if not answered:
            del requests, context  # the error that ends a call would keep them, and they it
            await self.abort()

    async def _answer(self, context: Any) -> bool:
        method = self._serving
        try:
            known = await self.begin(context)
            asked = await self._asked()
            async with aclosing(method.behaviour(asked, known)) as answers:
                async for response in answers:
                    await context.write(method.serialised(response))
                    self._written()
        except BaseException as error:
            if not self.end(error):
                raise
        else:
            self.end()
            return True
        return False

    async def _asked(self) -> Any:
        """What the method is asked."""
        return self._serving.parsed(await self.request())

    def _written(self) -> None:
        """An answer is on its way."""


class _TurnsCall(_StreamCall):
    """A call whose requests are answered in turn, for as long as its caller likes.

    Each request with its answer is counted and timed as a call is; the stream itself is not. A
    server that drains ends it between two of them.
    """

    __slots__ = ("_idle", "_timeout")

    def __init__(self, method: Method, metadata: Metadata) -> None:
        super().__init__(method, metadata)
        self._idle = False  # what keeps it from beginning is told of as of any call
        self._timeout: MessageTimeout | None = method.context.in_flight.first_message

    async def _asked(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        self._idle = True
        if self._method.in_flight.draining:
            self.drain()
        request = await self.received(self._timeout)
        if request is None:
            raise StopAsyncIteration
        self._idle, self._started = False, time.perf_counter()
        self._timeout = self._method.in_flight.next_message
        return self._serving.parsed(request)

    def _written(self) -> None:
        self.count()
        self._idle = True

    def drain(self) -> None:
        """Ends now, or once the request that is being answered has its answer."""
        if self._idle:
            super().drain()

    def count(self) -> None:
        """The figures tell of the request that is being answered, if one is."""
        if not self._idle:
            super().count()

    @property
    def _is_timed(self) -> bool:
        return True


# By whether its requests and its answers are streams: where generated code has its behaviour,
# and what serves it.
_KINDS: Mapping[tuple[bool, bool], tuple[str, Any]] = {
    (False, False): ("unary_unary", _UnaryCall),
    (False, True): ("unary_stream", _StreamCall),
    (True, True): ("stream_stream", _TurnsCall),
}
