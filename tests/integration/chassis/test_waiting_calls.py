"""Calls that wait until they are served, over real TLS."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis.errors import DeadlineExceededError, ResourceExhaustedError, UnavailableError
from chassis.grpc_client import call
from chassis.grpc_server import GrpcServer
from chassis.sensitive import Sensitive
from tests.integration.chassis.echo import (
    EchoServicer,
    EchoStub,
)
from tests.integration.chassis.harness import Harness, echo_service, until
from tests.integration.chassis.raw_http2 import ask

SECONDS = 20.0
bound: ContextVar[str | None] = ContextVar("bound", default=None)
GREEDY, POLITE = Sensitive("the-greedy-one"), Sensitive("the-polite-one")


class OneByOne:
    """Answers each call when it is told to go on."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._go_on = asyncio.Semaphore(0)

    async def __call__(self, text: str, _context: Any) -> str:
        self.seen.append(text)
        await self._go_on.acquire()
        return text

    def answer(self, calls: int) -> None:
        for _ in range(calls):
            self._go_on.release()


class Waiting:
    """A server that serves one call at a time and lets others wait."""

    def __init__(
        self, harness: Harness, answers: OneByOne, server: GrpcServer, stub: EchoStub
    ) -> None:
        self.harness, self.answers, self.server, self.stub = harness, answers, server, stub

    def ask(
        self, text: str, token: Sensitive[str] = GREEDY, seconds: float = SECONDS
    ) -> asyncio.Task[StringValue]:
        asked: Awaitable[StringValue] = call(
            self.stub.Once, StringValue(value=text), deadline_seconds=seconds, token=token
        )
        return asyncio.ensure_future(asked)

    async def come(self, calls: int) -> None:
        """So many are there, served or waiting."""
        await until(lambda: self.harness.metrics.calls_now == calls)


@pytest.fixture
async def waiting(harness: Harness) -> Waiting:
    answers = OneByOne()
    service = echo_service(EchoServicer(answers), by_token=True)
    server, port = await harness.start(service, concurrent_calls=1, waiting_calls=31)
    return Waiting(harness, answers, server, EchoStub(await harness.channel(port)))


async def test_a_call_waits_until_it_is_served(waiting: Waiting) -> None:
    asked = [waiting.ask(str(number)) for number in range(5)]
    await waiting.come(5)
    await until(lambda: len(waiting.answers.seen) == 1)
    assert waiting.harness.metrics.calls_waiting == 4

    waiting.answers.answer(5)

    assert [answer.value for answer in await asyncio.gather(*asked)] == list("01234")
    assert waiting.harness.metrics.calls_waiting == 0


async def test_a_polite_caller_waits_for_one_call_of_a_greedy_one_and_not_for_all(
    waiting: Waiting,
) -> None:
    greedy = [waiting.ask("greedy") for _ in range(20)]
    await waiting.come(20)
    polite = waiting.ask("polite", POLITE)
    await waiting.come(21)

    waiting.answers.answer(3)
    await polite

    assert waiting.answers.seen.index("polite") <= 2
    waiting.answers.answer(20)
    await asyncio.gather(*greedy)


async def test_a_call_that_waited_finds_nothing_that_the_one_before_it_has_bound(
    harness: Harness,
) -> None:
    found: list[str | None] = []

    async def bind(text: str, _context: Any) -> str:
        found.append(bound.get())
        bound.set(text)
        await asyncio.sleep(0.1)  # the next one waits meanwhile
        return text

    port = await harness.serve(bind, concurrent_calls=1, waiting_calls=31)
    stub = EchoStub(await harness.channel(port))

    await asyncio.gather(*(stub.Once(StringValue(value=text)) for text in "abc"))

    assert found == [None] * 3


async def test_no_more_calls_wait_than_may(waiting: Waiting) -> None:
    asked = [waiting.ask("greedy") for _ in range(100)]
    await until(lambda: sum(task.done() for task in asked) == 76)
    assert waiting.harness.metrics.calls_now == 24  # three quarters of 32

    waiting.answers.answer(24)

    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(end, ResourceExhaustedError) for end in ended) == 76


async def test_a_call_whose_deadline_passes_while_it_waits_is_dropped(waiting: Waiting) -> None:
    first = waiting.ask("first")
    await waiting.come(1)
    late = waiting.ask("late", seconds=0.3)
    with pytest.raises(DeadlineExceededError):
        await late

    waiting.answers.answer(1)
    await first
    await waiting.come(0)

    assert waiting.answers.seen == ["first"]


async def test_a_call_whose_caller_leaves_while_it_waits_is_not_served(
    waiting: Waiting,
) -> None:
    first = waiting.ask("first")
    await waiting.come(1)
    gone = waiting.ask("gone")
    await waiting.come(2)
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    await asyncio.sleep(0.1)  # until the server has been told

    waiting.answers.answer(1)
    await first
    await waiting.come(0)

    assert waiting.answers.seen == ["first"]


async def test_a_server_that_drains_answers_those_who_wait(waiting: Waiting) -> None:
    asked = [waiting.ask(str(number)) for number in range(5)]
    await waiting.come(5)
    stopped = asyncio.ensure_future(waiting.server.stop(SECONDS))
    await asyncio.sleep(0.1)

    waiting.answers.answer(5)

    assert [answer.value for answer in await asyncio.gather(*asked)] == list("01234")
    await stopped


async def test_a_server_that_may_not_wait_ends_though_calls_wait(waiting: Waiting) -> None:
    asked = [waiting.ask("any") for _ in range(20)]
    await waiting.come(20)

    async with asyncio.timeout(SECONDS):
        await waiting.server.stop(0)
        ended = await asyncio.gather(*asked, return_exceptions=True)

    assert {type(end) for end in ended} == {UnavailableError}
    assert len(waiting.answers.seen) == 1


async def test_a_call_whose_request_does_not_come_ends_at_its_deadline(
    harness: Harness,
) -> None:
    port = await harness.serve(OneByOne())
    channel = await harness.channel(port)
    open_call: Any = channel.stream_unary("/tests.Echo/Once")(timeout=0.3)

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await open_call

    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: harness.metrics.calls_now == 0)


async def test_a_call_without_a_request_is_told_so(harness: Harness) -> None:
    answer = await ask(await harness.serve(OneByOne()), b"/tests.Echo/Once", body=b"")

    assert b"the call has no request" in answer
