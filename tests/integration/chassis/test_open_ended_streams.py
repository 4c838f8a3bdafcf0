"""Streams that last as long as their callers want them, over real TLS."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis.deadline import remaining_seconds
from chassis.errors import (
    ConflictError,
    DeadlineExceededError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from chassis.grpc_client import call, stream
from chassis.grpc_server import EVERY_METHOD, GrpcServer, Service
from tests.integration.chassis.echo import NAME, EchoStub, add_echo_servicer_to_server
from tests.integration.chassis.harness import Harness, until

HELLO = StringValue(value="hello")
SECONDS = 20.0
BIG = "x" * 100_000


class Ticker:
    """`Once` answers when told to; `Thrice` goes on until someone ends it."""

    def __init__(self, *, text: str = "tick", pause_seconds: float = 0.01) -> None:
        self._text, self._pause = text, pause_seconds
        self.told = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: Exception | None = None
        self.ticks = 0

    async def Once(self, request: StringValue, context: Any) -> StringValue:  # noqa: N802  # as in a proto
        await self.told.wait()
        return request

    async def Thrice(  # noqa: N802  # as in a proto
        self, request: StringValue, context: Any
    ) -> AsyncIterator[StringValue]:
        try:
            while self.error is None:
                self.ticks += 1
                yield StringValue(value=f"{self._text}{remaining_seconds()}")
                await asyncio.sleep(self._pause)
            raise self.error
        finally:
            self.ended.set()


Serve = Callable[..., Awaitable[tuple[GrpcServer, EchoStub]]]


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
def serve(harness: Harness, ticker: Ticker) -> Serve:
    async def started(
        servicer: Ticker = ticker, *, peers: frozenset[str] | None = None, **bounds: Any
    ) -> tuple[GrpcServer, EchoStub]:
        service = Service(
            NAME,
            add_echo_servicer_to_server,
            servicer,
            peers=peers,
            open_ended=frozenset({"Thrice"}),
            without_token=EVERY_METHOD,
        )
        server, port = await harness.start(service, **bounds)
        return server, EchoStub(await harness.channel(port))

    return started


def opened(stub: EchoStub, seconds: float = SECONDS) -> AsyncIterator[Any]:
    return stream(stub.Thrice, HELLO, deadline_seconds=seconds)


async def test_it_outlives_the_deadlines_of_calls(serve: Serve, ticker: Ticker) -> None:
    _, stub = await serve(default_deadline_seconds=0.05, max_deadline_seconds=0.1)

    without = stub.Thrice(HELLO)
    answers = [await without.read() for _ in range(30)]
    without.cancel()

    assert {answer.value for answer in answers} == {"tickNone"}
    assert ticker.ticks >= 30


async def test_its_callers_deadline_is_kept(serve: Serve, ticker: Ticker) -> None:
    _, stub = await serve()

    with pytest.raises(DeadlineExceededError):
        async for _ in opened(stub, seconds=0.2):
            pass

    await ticker.ended.wait()


async def test_it_ends_when_its_caller_goes(
    serve: Serve, ticker: Ticker, harness: Harness
) -> None:
    _, stub = await serve()

    async with aclosing(opened(stub)) as answers:  # type: ignore[type-var]  # an async generator
        await anext(answers)

    await asyncio.wait_for(ticker.ended.wait(), 5)
    await until(lambda: harness.metrics.streams_now == 0)


async def test_streams_have_a_bound_of_their_own(
    serve: Serve, ticker: Ticker, harness: Harness
) -> None:
    ticker.told.set()
    _, stub = await serve(concurrent_streams=1, concurrent_calls=1)
    first = opened(stub)
    await anext(first)

    with pytest.raises(ResourceExhaustedError):
        await anext(opened(stub))
    answer = await call(stub.Once, HELLO, deadline_seconds=SECONDS)
    assert (answer.value, harness.metrics.streams_now) == ("hello", 1)

    await first.aclose()  # type: ignore[attr-defined]  # an async generator
    await until(lambda: harness.metrics.streams_now == 0)
    assert (await anext(opened(stub))).value == "tickNone"


async def test_a_call_takes_no_place_of_a_stream(serve: Serve, ticker: Ticker) -> None:
    _, stub = await serve(concurrent_streams=1, concurrent_calls=1)
    pending = asyncio.ensure_future(call(stub.Once, HELLO, deadline_seconds=SECONDS))
    answers = opened(stub)

    assert (await anext(answers)).value == "tickNone"
    with pytest.raises(ResourceExhaustedError):
        await call(stub.Once, HELLO, deadline_seconds=SECONDS)
    ticker.told.set()
    assert (await pending).value == "hello"


async def test_a_drain_ends_streams_at_once_and_lets_calls_end(
    serve: Serve, ticker: Ticker, logged: io.StringIO
) -> None:
    server, stub = await serve()
    answers = opened(stub)
    await anext(answers)
    pending = asyncio.ensure_future(call(stub.Once, HELLO, deadline_seconds=SECONDS))
    await asyncio.sleep(0.1)

    stopped = asyncio.ensure_future(server.stop(grace_seconds=SECONDS))
    async with asyncio.timeout(5):
        with pytest.raises(UnavailableError, match="go on elsewhere"):
            async for _ in answers:
                pass
    assert not pending.done()
    ticker.told.set()

    assert (await pending).value == "hello"
    await stopped
    assert "call failed" not in logged.getvalue()


async def test_an_error_on_the_way_arrives_as_the_same_class(
    serve: Serve, ticker: Ticker
) -> None:
    _, stub = await serve()
    answers = opened(stub)
    await anext(answers)

    ticker.error = ConflictError()

    with pytest.raises(ConflictError):
        async for _ in answers:
            pass


async def test_a_refused_stream_takes_no_place(serve: Serve, harness: Harness) -> None:
    _, stub = await serve(peers=frozenset({"someone"}))

    for _ in range(3):
        with pytest.raises(PermissionDeniedError):
            await anext(opened(stub))

    assert harness.metrics.streams_now == 0


async def test_it_is_counted_and_its_time_is_not(serve: Serve, harness: Harness) -> None:
    _, stub = await serve()
    with pytest.raises(DeadlineExceededError):
        async for _ in opened(stub, seconds=0.1):
            pass

    registry, rpc = harness.metrics.registry, {"service": NAME, "method": "Thrice"}

    def ended() -> float:
        codes = ("DEADLINE_EXCEEDED", "CANCELLED")  # whoever of the two noticed first
        counted = (
            registry.get_sample_value("grpc_server_calls_total", {**rpc, "code": code})
            for code in codes
        )
        return sum(count or 0 for count in counted)

    await until(lambda: ended() == 1)
    assert registry.get_sample_value("grpc_server_call_seconds_count", rpc) is None


async def test_the_age_of_a_connection_does_not_cut_it(serve: Serve, ticker: Ticker) -> None:
    _, stub = await serve(max_connection_age_seconds=0.5, max_deadline_seconds=0.2)
    answers = opened(stub)
    ticker.told.set()
    started = asyncio.get_running_loop().time()

    while asyncio.get_running_loop().time() < started + 2.5:
        await anext(answers)

    # Meanwhile new calls go over new connections.
    assert (await call(stub.Once, HELLO, deadline_seconds=SECONDS)).value == "hello"


async def test_a_slow_reader_holds_up_its_own_stream_only(
    serve: Serve, harness: Harness
) -> None:
    heavy = Ticker(text=BIG, pause_seconds=0)
    _, stub = await serve(heavy)
    slow = stub.Thrice(HELLO)
    await slow.read()
    ticks = await settled(lambda: heavy.ticks)

    quick = opened(stub)
    for _ in range(200):
        await anext(quick)

    assert ticks * len(BIG) < 16 * 1024 * 1024
    slow.cancel()


async def test_a_drain_does_not_wait_for_a_slow_reader(serve: Serve) -> None:
    heavy = Ticker(text=BIG, pause_seconds=0)
    server, stub = await serve(heavy)
    slow: grpc.aio.UnaryStreamCall[Any, Any] = stub.Thrice(HELLO)
    await slow.read()
    await settled(lambda: heavy.ticks)

    async with asyncio.timeout(5):
        await server.stop(grace_seconds=SECONDS)
    assert heavy.ended.is_set()


async def settled(number: Callable[[], int]) -> int:
    """The number once it has stayed the same for half a second."""
    last, since = number(), asyncio.get_running_loop().time()
    async with asyncio.timeout(30):
        while asyncio.get_running_loop().time() < since + 0.5:
            await asyncio.sleep(0.05)
            if number() != last:
                last, since = number(), asyncio.get_running_loop().time()
    return last
