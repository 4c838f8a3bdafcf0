"""The status of a refusal reaches its caller, whatever the kind of the call, over real TLS."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis.errors import (
    DeadlineExceededError,
    KnownError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_client import call, stream
from chassis.grpc_server import EVERY_METHOD, Service
from chassis.grpc_status import DETAILS_KEY, status_code, to_status
from chassis.held_streams import HeldStreams
from chassis.peer_status import WritableStream
from tests.integration.chassis.echo import NAME
from tests.integration.chassis.harness import Harness

SECONDS = 10.0
ROUNDS = 50
FEW_ROUNDS = 5
SMALL = StringValue(value="x")
LARGE = StringValue(value="x" * 3_000_000)  # more than is sent before the peer reads
ENCODE: Callable[[StringValue], bytes] = StringValue.SerializeToString
ANSWERED_SECONDS = 0.3

Ask = Callable[[grpc.aio.Channel, StringValue], Awaitable[None]]
Behaviour = Callable[[Any, grpc.ServicerContext], Iterator[bytes]]


class Refusing:
    """Every kind of method raises the error once it has its request."""

    def __init__(self, error: KnownError) -> None:
        self._error = error

    async def Once(self, _request: Any, _context: Any) -> StringValue:  # noqa: N802  # as in a proto
        raise self._error

    async def Many(self, _request: Any, _context: Any) -> AsyncIterator[StringValue]:  # noqa: N802
        raise self._error
        yield SMALL  # makes this a generator

    async def Turns(self, requests: Any, _context: Any) -> AsyncIterator[StringValue]:  # noqa: N802
        async for _ in requests:
            raise self._error
            yield SMALL


def add_refusing(servicer: Any, server: Any) -> None:
    codec: dict[str, Any] = {
        "request_deserializer": StringValue.FromString,
        "response_serializer": ENCODE,
    }
    handlers = {
        "Once": grpc.unary_unary_rpc_method_handler(servicer.Once, **codec),
        "Many": grpc.unary_stream_rpc_method_handler(servicer.Many, **codec),
        "Turns": grpc.stream_stream_rpc_method_handler(servicer.Turns, **codec),
    }
    server.add_registered_method_handlers(NAME, handlers)


async def ask_once(channel: grpc.aio.Channel, request: StringValue) -> None:
    method: Any = channel.unary_unary(f"/{NAME}/Once", ENCODE, StringValue.FromString)
    await call(method, request, deadline_seconds=SECONDS)


async def ask_for_many(channel: grpc.aio.Channel, request: StringValue) -> None:
    method: Any = channel.unary_stream(f"/{NAME}/Many", ENCODE, StringValue.FromString)
    async for _ in stream(method, request, deadline_seconds=SECONDS):
        pass


async def ask_in_turns(channel: grpc.aio.Channel, request: StringValue) -> None:
    method: Any = channel.stream_stream(f"/{NAME}/Turns", ENCODE, StringValue.FromString)
    await HeldStreams(method).ask(request, deadline_seconds=SECONDS)


EVERY_KIND = pytest.mark.parametrize("ask", [ask_once, ask_for_many, ask_in_turns])
NOBODY = frozenset({"nobody"})
NO_BYTES = {"max_request_bytes": 1}
NO_PLACE = {"concurrent_calls": 0, "concurrent_streams": 0}


@dataclass(frozen=True)
class Refusal:
    """An error, and how a server is set up so that it refuses with it."""

    error: KnownError
    peers: frozenset[str] | None = None
    bounds: Mapping[str, int] = field(default_factory=dict)


@EVERY_KIND
@pytest.mark.parametrize("request_", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(Refusal(PermissionDeniedError(), peers=NOBODY), id="the peer"),
        pytest.param(Refusal(UnauthenticatedError("no token")), id="the credential"),
        pytest.param(Refusal(ResourceExhaustedError(), bounds=NO_PLACE), id="a call too many"),
        pytest.param(Refusal(ResourceExhaustedError(), bounds=NO_BYTES), id="the size"),
        pytest.param(Refusal(DeadlineExceededError()), id="the deadline"),
    ],
)
async def test_a_refusal_arrives_as_what_it_is(
    harness: Harness, ask: Ask, request_: StringValue, refusal: Refusal
) -> None:
    servicer, error = Refusing(refusal.error), type(refusal.error)
    service = Service(
        NAME, add_refusing, servicer, refusal.peers, frozenset({"Turns"}), EVERY_METHOD
    )
    _, port = await harness.start(service, **refusal.bounds)
    channel = await harness.channel(port)

    for _ in range(ROUNDS if request_ is SMALL else FEW_ROUNDS):
        with pytest.raises(error):
            await ask(channel, request_)


@contextmanager
def answering(harness: Harness, answer: Behaviour) -> Iterator[int]:
    """The port of a peer in threads of its own, which answers without reading a request."""
    server = grpc.server(ThreadPoolExecutor(2))
    handlers: Any = {"Turns": grpc.stream_stream_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))
    pair = (harness.tls.private_key.read_bytes(), harness.tls.certificate_chain.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def serialised_late(request: StringValue) -> bytes:
    """On the caller's event loop: the peer has answered before the request is written."""
    time.sleep(ANSWERED_SECONDS)
    return request.SerializeToString()


async def slowly(harness: Harness, port: int) -> Any:
    channel = await harness.channel(port)
    return channel.stream_stream(f"/{NAME}/Turns", serialised_late, StringValue.FromString)


@pytest.mark.parametrize(
    "error",
    [
        PermissionDeniedError("not for this peer"),
        UnauthenticatedError("the token has expired"),
        ResourceExhaustedError("a stream too many"),
        DeadlineExceededError("too late"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_stream_that_is_refused_while_its_request_is_written_ends_as_refused(
    harness: Harness, error: KnownError
) -> None:
    def refuse(_requests: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.set_trailing_metadata(((DETAILS_KEY, to_status(error).SerializeToString()),))
        context.abort(status_code(error), error.message)

    with answering(harness, refuse) as port:
        method = await slowly(harness, port)
        for _ in range(3):
            with pytest.raises(type(error), match=error.message):
                await HeldStreams(method).ask(SMALL, deadline_seconds=SECONDS)


async def test_a_stream_that_ends_well_while_its_request_is_written_is_no_answer(
    harness: Harness,
) -> None:
    def nothing(_requests: Any, _context: grpc.ServicerContext) -> Iterator[bytes]:
        return iter(())

    with answering(harness, nothing) as port:
        method = await slowly(harness, port)
        with pytest.raises(UnavailableError):
            await HeldStreams(method).ask(SMALL, deadline_seconds=SECONDS)


@pytest.mark.parametrize("request_", [SMALL, LARGE], ids=["small", "large"])
async def test_an_unknown_method_is_unimplemented_for_every_kind_of_call(
    harness: Harness, request_: StringValue
) -> None:
    service = Service(
        NAME, add_refusing, Refusing(KnownError()), None, frozenset({"Turns"}), EVERY_METHOD
    )
    _, port = await harness.start(service)
    channel = await harness.channel(port)
    path = (f"/{NAME}/Nothing", ENCODE)

    for _ in range(ROUNDS):
        written = WritableStream(channel.stream_stream(*path)(timeout=SECONDS))
        answers: tuple[Awaitable[object], ...] = (
            channel.unary_unary(*path)(request_, timeout=SECONDS),
            channel.unary_stream(*path)(request_, timeout=SECONDS).read(),
            until_refused(written, request_),
        )
        for answer in answers:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await answer
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def until_refused(stream: WritableStream, request: StringValue) -> None:
    while True:
        await stream.write(request)
