"""What happens around every method of every servicer, once and in this order.

1. a request id is accepted or made; 2. a call too many is refused, and so is one that comes
after its deadline; 3. the peer's certificate is checked, if the service has a list; 4. the
request is received and parsed; 5. the method runs until its deadline; 6. an error of our
vocabulary becomes a status with details, any other INTERNAL without text; 7. the call is
counted and timed.

Where requests come as a stream, each is answered before the next is read, and is a call of its
own as far as 6. and 7. are concerned.

There is one wrapper per method and no gRPC interceptor: an interceptor costs as much as all of
this. gRPC asks for a handler once the headers are there: a call has its place from then on, and
a call too many ends then.
"""

import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Self, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from chassis.errors import InvalidArgumentError, ResourceExhaustedError
from chassis.grpc_calls import Call, Metadata
from chassis.in_flight import Surroundings
from chassis.request_id import REQUEST_ID_KEY

# A grpc.RpcMethodHandler, whose type stub leaves open which of its four behaviours is there.
Handler: TypeAlias = Any

_TOO_MANY = grpc.StatusCode.RESOURCE_EXHAUSTED


class Method:
    """One method of one service, with everything that happens around it."""

    def __init__(self, handler: Handler, around: Surroundings) -> None:
        streams = (bool(handler.request_streaming), bool(handler.response_streaming))
        if streams == (True, False):
            raise ValueError(f"{around.rpc}: no stream of requests with one answer is served")
        if handler.request_streaming and not around.open_ended:
            raise ValueError(f"{around.rpc}: a stream of requests is open-ended")
        self.around = around
        kind, self._call = _KINDS[streams]
        self.behaviour = getattr(handler, kind)
        self.serialised = handler.response_serializer
        self._parse = handler.request_deserializer
        # The generated deserializer is the bound FromString of the request's message class.
        self._request_name = getattr(self._parse, "__self__", type(None)).__name__

    def arrived(self, metadata: Metadata) -> Handler:
        """What is to serve the call that these headers begin, or to end it."""
        call = self._call(self, metadata)
        return call if call.arrive() else Refusal(self.around, call.id)

    def parsed(self, request: bytes) -> Any:
        """The request's message. Raises InvalidArgumentError."""
        try:
            return self._parse(request)
        except DecodeError:
            raise InvalidArgumentError(
                f"the request is not a valid {self._request_name} message"
            ) from None


class Methods(grpc.GenericRpcHandler):
    """Every method of a port, by its full name."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = {f"/{name}": method for name, method in methods.items()}

    def service(self, handler_call_details: Any) -> Handler | None:
        """See grpc.GenericRpcHandler; None for a method that is not here."""
        method = self._methods.get(handler_call_details.method)
        return method and method.arrived(handler_call_details.invocation_metadata)


class _UnaryCall(Call):
    """A call that gets one answer."""

    __slots__ = ("_method",)

    def __init__(self, method: Method, metadata: Metadata) -> None:
        super().__init__(method.around, metadata)
        self._method = method

    async def stream_unary(self, requests: Any, context: Any) -> bytes | None:
        """The answer's bytes; the call ends with a status if there is none."""
        answer = await self._answer(context)
        if answer is None:
            del requests, context  # the error that ends a call would keep them, and they it
            await self.abort()
        return answer

    async def _answer(self, context: Any) -> bytes | None:
        method = self._method
        try:
            known = self.begin(context)
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

    __slots__ = ("_method",)

    def __init__(self, method: Method, metadata: Metadata) -> None:
        super().__init__(method.around, metadata)
        self._method = method

    async def stream_stream(self, requests: Any, context: Any) -> None:
        """Every answer has been written, or the call has ended with a status."""
        answered = await self._answer(context)
        if not answered:
            del requests, context  # the error that ends a call would keep them, and they it
            await self.abort()

    async def _answer(self, context: Any) -> bool:
        method = self._method
        try:
            known = self.begin(context)
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
        return self._method.parsed(await self.request())

    def _written(self) -> None:
        """An answer is on its way."""


class _TurnsCall(_StreamCall):
    """A call whose requests are answered in turn, for as long as its caller likes.

    Each request with its answer is counted and timed as a call is; the stream itself is not. A
    server that drains ends it between two of them.
    """

    __slots__ = ("_idle",)

    def __init__(self, method: Method, metadata: Metadata) -> None:
        super().__init__(method, metadata)
        self._idle = False  # what keeps it from beginning is told of as of any call

    async def _asked(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        self._idle = True
        if self._around.in_flight.draining:
            self.drain()
        request = await self._context.read()
        if request is grpc.aio.EOF:  # type: ignore[attr-defined]  # its stub has it not
            raise StopAsyncIteration
        self._idle, self._started = False, time.perf_counter()
        return self._method.parsed(request)

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


class Refusal:
    """Of a call too many: what ends it, before its request is read and without a line.

    Who has the call in hand ends it with the code, message and trailing metadata that are here,
    and says so by counted().
    """

    code: ClassVar[int] = _TOO_MANY.value[0]
    # No details: the code alone says which error of our vocabulary it is, and to make and to
    # send them is a fifth of what a refusal costs.
    message: ClassVar[str] = ResourceExhaustedError.default_message

    __slots__ = ("_around", "_started", "trailing")

    def __init__(self, around: Surroundings, request_id: str) -> None:
        self._around = around
        self.trailing = ((REQUEST_ID_KEY, request_id),)
        self._started = time.perf_counter()

    def counted(self) -> None:
        """The figures tell of this refusal, and so does a line within a second."""
        around = self._around
        around.in_flight.refused.one_more()
        around.figures.ended(_TOO_MANY.name)
        around.figures.took(time.perf_counter() - self._started)
