"""A gRPC service of the tests' own, registered as generated code registers one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

NAME = "tests.Echo"
_ENCODE: Callable[[StringValue], bytes] = StringValue.SerializeToString
Answer = Callable[[str, Any], Awaitable[str]]


class EchoServicer:
    """Answers with whatever `answer` makes of the request's text."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def Once(self, request: StringValue, context: Any) -> StringValue:  # noqa: N802  # as in a proto
        return StringValue(value=await self._answer(request.value, context))

    async def Thrice(  # noqa: N802  # as in a proto
        self, request: StringValue, context: Any
    ) -> AsyncIterator[StringValue]:
        for count in range(3):
            yield StringValue(value=await self._answer(f"{request.value}{count}", context))


def add_echo_servicer_to_server(servicer: Any, server: Any) -> None:
    add_named(NAME)(servicer, server)


def add_named(name: str) -> Callable[[Any, Any], None]:
    """The add function of the same service under another name."""

    def add(servicer: Any, server: Any) -> None:
        codec: dict[str, Any] = {
            "request_deserializer": StringValue.FromString,
            "response_serializer": _ENCODE,
        }
        handlers = {
            "Once": grpc.unary_unary_rpc_method_handler(servicer.Once, **codec),
            "Thrice": grpc.unary_stream_rpc_method_handler(servicer.Thrice, **codec),
        }
        generic = grpc.method_handlers_generic_handler(name, handlers)
        server.add_generic_rpc_handlers((generic,))
        server.add_registered_method_handlers(name, handlers)

    return add


class EchoStub:
    """The client's side. `RawOnce` sends bytes as they are."""

    def __init__(self, channel: grpc.aio.Channel, name: str = NAME) -> None:
        self.channel = channel
        self.Once: Any = channel.unary_unary(f"/{name}/Once", _ENCODE, StringValue.FromString)
        self.Thrice: Any = channel.unary_stream(
            f"/{name}/Thrice", _ENCODE, StringValue.FromString
        )
        self.RawOnce: Any = channel.unary_unary(f"/{name}/Once")


async def repeat(text: str, _context: Any) -> str:
    await asyncio.sleep(0)
    return text
