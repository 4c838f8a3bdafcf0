"""Calls that come together are taken on together."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis import grpc_server
from chassis.accept_mode import AcceptMode
from chassis.errors import ConflictError
from chassis.fast_accept import OUTSTANDING_ACCEPTS, problem
from chassis.grpc_methods import Method
from tests.integration.chassis.echo import (
    Answer,
    EchoServicer,
    EchoStub,
    repeat,
)
from tests.integration.chassis.harness import Harness, echo_service

BUSY_SECONDS = 0.3
ATTEMPTS = 5
TOGETHER = 16
SECONDS = 20.0
MARKER = "what-an-error-may-hold"


class Turns:
    """Counts the turns of the event loop, and in which of them each call began."""

    def __init__(self) -> None:
        self.count = 0
        self.begun: list[int] = []
        self._next()

    def _next(self) -> None:
        self.count += 1
        self._handle = asyncio.get_running_loop().call_soon(self._next)

    def end(self) -> None:
        self._handle.cancel()

    async def __call__(self, text: str, _context: Any) -> str:
        self.begun.append(self.count)
        return text


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """A thread in which a client calls while the event loop of the server is busy."""
    with ThreadPoolExecutor(1) as thread:
        yield thread


@pytest.mark.skipif(problem() is not None, reason=f"the mode fast: {problem()}")
@pytest.mark.parametrize("harness", [AcceptMode.FAST], indirect=True, ids=str)
async def test_calls_that_came_while_the_loop_was_busy_begin_within_a_few_turns(
    harness: Harness, elsewhere: ThreadPoolExecutor
) -> None:
    turns = Turns()
    loop = asyncio.get_running_loop()
    port = await harness.serve(turns)
    with synchronous(harness, port) as stub:
        await loop.run_in_executor(elsewhere, _codes, stub, 1)
        apart = []
        for _ in range(ATTEMPTS):  # on a busy machine some come later
            turns.begun.clear()
            answered = loop.run_in_executor(elsewhere, _codes, stub, TOGETHER)
            time.sleep(BUSY_SECONDS)  # noqa: ASYNC251  # meanwhile they come
            await answered
            assert len(turns.begun) == TOGETHER
            apart.append(max(turns.begun) - min(turns.begun))
    turns.end()

    assert min(apart) < TOGETHER // 2


async def test_a_server_that_drains_answers_whatever_has_come(
    harness: Harness, elsewhere: ThreadPoolExecutor
) -> None:
    service = echo_service(EchoServicer(repeat))
    server, port = await harness.start(service, concurrent_calls=1, waiting_calls=31)
    loop = asyncio.get_running_loop()
    with synchronous(harness, port) as stub:
        await loop.run_in_executor(elsewhere, _codes, stub, 1)
        made = threading.Event()
        answered = loop.run_in_executor(
            elsewhere, _codes, stub, 3 * OUTSTANDING_ACCEPTS, made.set
        )
        assert made.wait(SECONDS)
        time.sleep(4 * BUSY_SECONDS)  # noqa: ASYNC251  # meanwhile they come
        await server.stop(SECONDS)

        codes = await answered

    # The standard mode accepts one at a time, so that the limit need not be reached.
    assert set(codes) - {grpc.StatusCode.RESOURCE_EXHAUSTED} == {grpc.StatusCode.OK}
    if harness.accept_mode is AcceptMode.FAST:
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes


@contextmanager
def synchronous(harness: Harness, port: int) -> Iterator[Any]:
    """A client that is not of grpc.aio, as others here are."""
    credentials = grpc.ssl_channel_credentials(harness.authority.certificate.read_bytes())
    channel: Any = grpc.secure_channel(f"localhost:{port}", credentials)
    with channel:
        yield EchoStub(channel)


async def test_a_method_that_is_not_here_is_told_so_when_every_place_is_taken(
    harness: Harness,
) -> None:
    channel = await harness.channel(await harness.serve(Turns(), concurrent_calls=0))
    elsewhere: Any = channel.unary_unary("/tests.Echo/Elsewhere")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await EchoStub(channel).Once(StringValue(value="one too many"))
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await elsewhere(b"")

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("end", ["OK", "ABORTED", "INTERNAL", "DEADLINE_EXCEEDED"])
async def test_a_call_that_has_ended_soon_leaves_no_token_behind(
    harness: Harness, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "COLLECT_SECONDS", 0.1)
    port = await harness.serve(_ending(end), max_deadline_seconds=0.1)
    stub = EchoStub(await harness.channel(port))
    token = f"a-token-of-this-test-alone-{end}"
    gc.disable()  # it does not begin by itself
    try:
        for _ in range(3):
            call = stub.Once(StringValue(), metadata=(("x-access-token", token),))
            assert (await call.code()).name == end
        await asyncio.sleep(0.3)
        kept = [header for header in map(_as_header, gc.get_objects()) if header == token]
    finally:
        gc.enable()

    assert kept == []


def _ending(end: str) -> Answer:
    async def answer(text: str, _context: Any) -> str:
        if end == "ABORTED":
            raise ConflictError
        if end == "INTERNAL":
            raise KeyError
        if end == "DEADLINE_EXCEEDED":
            await asyncio.sleep(SECONDS)
        return text

    return answer


def _broken_call(_method: Method, _metadata: Any) -> None:
    raise KeyError(MARKER)


async def test_a_fault_in_finding_what_serves_a_call_ends_that_call_alone(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await harness.channel(await harness.serve(repeat))
    stub = EchoStub(channel)
    with monkeypatch.context() as broken:
        broken.setattr(Method, "call", _broken_call)
        failed = [stub.Once(StringValue()) for _ in range(3)]
        codes = {await call.code() for call in failed}
        told = [await call.details() for call in failed]

    answered = await stub.Once(StringValue(value="again"))

    assert codes == {grpc.StatusCode.INTERNAL}
    assert MARKER not in "".join(told)
    assert answered.value == "again"


def _as_header(kept: object) -> object:
    """The value of what grpc.aio has made of a header that it received."""
    return getattr(kept, "value", None) if type(kept).__name__ == "_Metadatum" else None


def _codes(
    stub: Any, calls: int, made: Callable[[], None] = lambda: None
) -> list[grpc.StatusCode]:
    """How so many calls ended that were made at once; `made` is called when they are."""
    waiting = [stub.Once.future(StringValue()) for _ in range(calls)]
    made()
    return [call.code() for call in waiting]
