"""What happens around every method of every servicer, once and in this order.

1. a request id is accepted or made; 2. a call too many is refused; 3. the peer's certificate is
checked, if the service has a list; 4. the request is parsed; 5. the method runs until its
deadline; 6. an error of our vocabulary becomes a status with details, any other INTERNAL
without text; 7. the call is counted and timed.

There is one wrapper per method and no gRPC interceptor: an interceptor costs as much as all of
this.
"""

from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from chassis.errors import InvalidArgumentError
from chassis.grpc_calls import Call, Surroundings

# A grpc.RpcMethodHandler, whose type stub leaves open which of its four behaviours is there.
Handler: TypeAlias = Any


class Method:
    """One method of one service, with everything that happens around it."""

    def __init__(self, handler: Handler, around: Surroundings) -> None:
        self._handler, self._around = handler, around
        # The generated deserializer is the bound FromString of the request's message class.
        self._request_name = getattr(
            handler.request_deserializer, "__self__", type(None)
        ).__name__

    def wrapped(self) -> Handler:
        """The handler that gRPC is to call, with raw bytes in and out. Raises ValueError."""
        if self._handler.request_streaming:
            name = f"{self._around.service}/{self._around.method}"
            raise ValueError(f"{name}: no request streams are served")
        if self._handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._answer_stream)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: Any) -> bytes | None:
        with Call(self._around, context) as call:
            async with call.admitted():
                response = await self._handler.unary_unary(self._parsed(request), context)
                return self._serialised(response)
        await call.abort()
        return None

    async def _answer_stream(self, request: bytes, context: Any) -> None:
        ended = False
        with Call(self._around, context) as call:
            async with call.admitted():
                message = self._parsed(request)
                async with aclosing(self._handler.unary_stream(message, context)) as answers:
                    async for response in answers:
                        await context.write(self._serialised(response))
                ended = True
        if not ended:
            await call.abort()

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
