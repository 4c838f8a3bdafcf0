"""Calls that come together are taken on together."""

import asyncio
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import grpc_server
from chassis.errors import ConflictError
from chassis.grpc_methods import Methods
from tests.integration.chassis.echo import Answer, EchoStub, repeat
from tests.integration.chassis.harness import Harness

BUSY_SECONDS = 0.3
TOGETHER = 16
SECONDS = 20.0


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


async def test_calls_that_came_while_the_loop_was_busy_begin_within_a_few_turns(
    harness: Harness,
) -> None:
    turns = Turns()
    target = f"localhost:{await harness.serve(turns)}"
    credentials = grpc.ssl_channel_credentials(harness.authority.certificate.read_bytes())
    channel: Any = grpc.secure_channel(target, credentials)  # not of grpc.aio, as others here
    with channel, ThreadPoolExecutor(1) as client:
        loop, stub = asyncio.get_running_loop(), EchoStub(channel)
        await loop.run_in_executor(client, _answered, stub, 1)
        turns.begun.clear()

        answered = loop.run_in_executor(client, _answered, stub, TOGETHER)
        time.sleep(BUSY_SECONDS)  # noqa: ASYNC251  # meanwhile they come
        await answered
    turns.end()

    assert len(turns.begun) == TOGETHER
    assert max(turns.begun) - min(turns.begun) < TOGETHER // 2


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
async def test_a_call_that_has_ended_leaves_no_token_behind(harness: Harness, end: str) -> None:
    port = await harness.serve(_ending(end), max_deadline_seconds=0.1)
    stub = EchoStub(await harness.channel(port))
    token = f"a-token-of-this-test-alone-{end}"
    gc.disable()  # nothing is to be left for it
    try:
        for _ in range(3):
            call = stub.Once(StringValue(), metadata=(("x-access-token", token),))
            assert (await call.code()).name == end
        await asyncio.sleep(0.1)
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


async def test_a_call_beyond_the_open_streams_is_refused(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "MAX_OPEN_STREAMS", 4)
    port = await harness.serve(repeat)
    watches = []
    for _ in range(4):
        health: Any = health_pb2_grpc.HealthStub(await harness.channel(port))
        watches.append(health.Watch(health_pb2.HealthCheckRequest()))
        await watches[-1].read()

    refused = EchoStub(await harness.channel(port)).Once(StringValue())

    assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for watch in watches:
        watch.cancel()


def _no_handler(_methods: Methods, _details: Any) -> None:
    raise KeyError


async def test_a_fault_in_finding_what_serves_a_call_ends_that_call_alone(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await harness.channel(await harness.serve(repeat))
    stub = EchoStub(channel)
    with monkeypatch.context() as broken:
        broken.setattr(Methods, "service", _no_handler)
        failed = [await stub.Once(StringValue()).code() for _ in range(3)]

    answered = await stub.Once(StringValue(value="again"))

    assert set(failed) == {grpc.StatusCode.UNKNOWN}
    assert answered.value == "again"


def _as_header(kept: object) -> object:
    """The value of what grpc.aio has made of a header that it received."""
    return getattr(kept, "value", None) if type(kept).__name__ == "_Metadatum" else None


def _answered(stub: Any, calls: int) -> None:
    for call in [stub.Once.future(StringValue(value="a")) for _ in range(calls)]:
        call.result()
