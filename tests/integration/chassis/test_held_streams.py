"""Questions over streams that stay open, over real TLS: each has its own answer, or none."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis import held_streams
from chassis.deadline import bound
from chassis.errors import (
    ConflictError,
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from chassis.grpc_client import call
from chassis.grpc_server import EVERY_METHOD, GrpcServer, Service
from chassis.held_streams import HeldStreams
from tests.integration.chassis.harness import Harness, until

NAME, METHOD = "tests.Oracle", "Answer"
PATH = f"/{NAME}/{METHOD}"
SECONDS = 20.0
READY = grpc.ChannelConnectivity.READY
ENCODE: Callable[[StringValue], bytes] = StringValue.SerializeToString


class Oracle:
    """Answers in turn; holds up and fails the questions that it is told to."""

    def __init__(self) -> None:
        self.streams = 0
        self.heard: list[str] = []
        self.let_go: dict[str, asyncio.Event] = {}
        self.failures: dict[str, Exception] = {}
        self.cancelled: list[str] = []

    async def Answer(  # noqa: N802  # as in a proto
        self, questions: AsyncIterator[StringValue], context: Any
    ) -> AsyncIterator[StringValue]:
        self.streams += 1
        async for question in questions:
            yield StringValue(value=await self._answer(question.value))

    async def _answer(self, question: str) -> str:
        self.heard.append(question)
        if question in self.let_go:
            try:
                await self.let_go[question].wait()
            except asyncio.CancelledError:
                self.cancelled.append(question)
                raise
        if question in self.failures:
            raise self.failures[question]
        return f"{question}!"


def add_oracle(servicer: Any, server: Any) -> None:
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.Answer, request_deserializer=StringValue.FromString, response_serializer=ENCODE
    )
    server.add_registered_method_handlers(NAME, {METHOD: handler})


class Asker:
    """A peer with an oracle behind it, and who asks it."""

    def __init__(self, harness: Harness) -> None:
        self.harness, self.oracle = harness, Oracle()
        self.server: GrpcServer
        self.channel: grpc.aio.Channel
        self.streams: HeldStreams[StringValue, StringValue]
        self.port = 0

    async def start(self, **bounds: Any) -> None:
        peers = bounds.pop("peers", None)
        service = Service(
            NAME,
            add_oracle,
            self.oracle,
            peers,
            frozenset({METHOD}),
            without_token=EVERY_METHOD,
        )
        self.server, self.port = await self.harness.start(
            service, **{"address": f"127.0.0.1:{self.port}"} | bounds
        )

    async def connect(self) -> None:
        self.channel = await self.harness.channel(self.port)
        method: Any = self.channel.stream_stream(PATH, ENCODE, StringValue.FromString)
        self.streams = HeldStreams(method)

    async def ask(self, question: str, seconds: float = SECONDS) -> str:
        answer = await self.streams.ask(StringValue(value=question), deadline_seconds=seconds)
        return answer.value

    async def held_up(self, question: str, **wish: float) -> "asyncio.Task[str]":
        """The question has been heard, and its answer waits to be let go."""
        self.oracle.let_go[question] = asyncio.Event()
        asked = asyncio.create_task(self.ask(question, **wish))
        await until(lambda: question in self.oracle.heard)
        return asked

    def counted(self, code: str = "OK") -> float:
        labels = {"service": NAME, "method": METHOD, "code": code}
        figures = self.harness.metrics.registry
        return figures.get_sample_value("grpc_server_calls_total", labels) or 0


@pytest.fixture
async def asker(harness: Harness) -> Asker:
    asker = Asker(harness)
    await asker.start()
    await asker.connect()
    return asker


async def test_questions_one_after_another_share_a_stream(asker: Asker) -> None:
    answers = [await asker.ask(question) for question in ("a", "b", "c")]

    assert (answers, asker.oracle.streams) == (["a!", "b!", "c!"], 1)


async def test_questions_at_the_same_time_do_not_wait_for_one_another(asker: Asker) -> None:
    slow = await asker.held_up("slow")

    assert await asker.ask("quick") == "quick!"
    assert not slow.done()
    asker.oracle.let_go["slow"].set()
    assert (await slow, asker.oracle.streams) == ("slow!", 2)


async def test_what_fails_a_question_arrives_as_the_same_class_and_fails_no_other(
    asker: Asker,
) -> None:
    slow = await asker.held_up("slow")
    asker.oracle.failures["wrong"] = ConflictError("changed")

    with pytest.raises(ConflictError, match="changed"):
        await asker.ask("wrong")

    asker.oracle.let_go["slow"].set()
    assert [await slow, await asker.ask("right")] == ["slow!", "right!"]


async def test_a_question_that_was_given_up_leaves_its_answer_to_nobody(asker: Asker) -> None:
    await asker.ask("first")
    left = await asker.held_up("left")
    left.cancel()
    await asyncio.wait((left,))

    assert [await asker.ask(question) for question in ("b", "c")] == ["b!", "c!"]
    await until(lambda: asker.oracle.cancelled == ["left"])


async def test_a_question_is_given_up_after_its_time_and_the_next_has_its_own_answer(
    asker: Asker,
) -> None:
    with pytest.raises(DeadlineExceededError):
        await (await asker.held_up("late", seconds=0.2))

    assert await asker.ask("next") == "next!"
    await until(lambda: asker.oracle.cancelled == ["late"])


async def test_a_question_takes_no_longer_than_the_request_that_it_is_asked_for(
    asker: Asker,
) -> None:
    asker.oracle.let_go["late"] = asyncio.Event()

    with bound(0.2), pytest.raises(DeadlineExceededError):
        await asker.ask("late")
    with bound(0), pytest.raises(DeadlineExceededError):
        await asker.ask("too late")

    assert asker.oracle.heard == ["late"]


async def test_a_peer_that_was_started_again_meanwhile_is_asked_as_if_nothing_had_been(
    asker: Asker,
) -> None:
    slow = await asker.held_up("slow")
    await asker.ask("quick")
    asker.oracle.let_go["slow"].set()
    await slow  # now two streams stand idle
    await asker.server.stop(0)
    await asker.start()
    await until(lambda: asker.channel.get_state(try_to_connect=True) is READY)

    assert await asker.ask("next") == "next!"
    assert await asker.ask("and the next") == "and the next!"


async def test_without_a_peer_a_question_fails_at_once(asker: Asker) -> None:
    await asker.ask("first")
    await asker.server.stop(0)

    async with asyncio.timeout(SECONDS / 2):
        with pytest.raises(UnavailableError):
            await asker.ask("next")


async def test_a_draining_server_answers_what_it_was_asked_and_ends_idle_streams(
    asker: Asker, logged: io.StringIO
) -> None:
    slow = await asker.held_up("slow")
    await asker.ask("quick")

    stopped = asyncio.ensure_future(asker.server.stop(grace_seconds=SECONDS))
    await until(lambda: asker.harness.metrics.streams_now == 1)
    asker.oracle.let_go["slow"].set()

    assert await slow == "slow!"
    async with asyncio.timeout(SECONDS / 2):
        await stopped
    assert logged.getvalue() == ""


async def test_a_fault_is_told_of_though_the_server_drains(
    asker: Asker, logged: io.StringIO
) -> None:
    asker.oracle.failures["slow"] = ValueError("a bug")
    slow = await asker.held_up("slow")

    stopped = asyncio.ensure_future(asker.server.stop(grace_seconds=SECONDS))
    await asyncio.sleep(0)
    asker.oracle.let_go["slow"].set()

    with pytest.raises(UnavailableError):
        await slow
    await stopped
    assert "ValueError" in logged.getvalue()


async def test_every_idle_stream_is_left_after_a_while_though_nobody_asks(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_streams, "STREAM_SECONDS", 0.3)
    slow = await asker.held_up("slow")
    await asker.ask("quick")
    asker.oracle.let_go["slow"].set()
    await slow
    assert asker.harness.metrics.streams_now == 2

    await until(lambda: asker.harness.metrics.streams_now == 0)
    assert await asker.ask("next") == "next!"


async def test_a_stream_whose_time_is_up_answers_what_it_was_asked_first(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_streams, "STREAM_SECONDS", 0.0)
    slow = await asker.held_up("slow")
    asker.oracle.let_go["slow"].set()

    assert [await slow, await asker.ask("next")] == ["slow!", "next!"]
    assert asker.oracle.streams == 2
    await until(lambda: asker.harness.metrics.streams_now == 0)


@pytest.mark.parametrize(
    ("kind", "open_ended", "why"),
    [
        (grpc.stream_stream_rpc_method_handler, frozenset[str](), "is open-ended"),
        (grpc.stream_unary_rpc_method_handler, frozenset({METHOD}), "with one answer"),
    ],
    ids=["it would have to end in time", "nobody would be answered meanwhile"],
)
async def test_a_stream_of_requests_that_cannot_be_served_so_is_not_served_at_all(
    harness: Harness, kind: Any, open_ended: frozenset[str], why: str
) -> None:
    def add(servicer: Any, server: Any) -> None:
        server.add_registered_method_handlers(NAME, {METHOD: kind(servicer.Answer)})

    with pytest.raises(ValueError, match=why):
        await harness.start(Service(NAME, add, Oracle(), open_ended=open_ended))


async def test_each_question_is_counted_and_timed_and_a_stream_is_not(asker: Asker) -> None:
    for question in ("a", "b", "c"):
        await asker.ask(question)
    asker.oracle.failures["d"] = ConflictError()
    with pytest.raises(ConflictError):
        await asker.ask("d")
    await asker.ask("e")
    await asker.server.stop(grace_seconds=SECONDS)

    timed = asker.harness.metrics.registry.get_sample_value(
        "grpc_server_call_seconds_count", {"service": NAME, "method": METHOD}
    )
    assert (asker.counted(), asker.counted("ABORTED"), asker.counted("CANCELLED")) == (4, 1, 0)
    assert timed == 5


async def test_a_question_that_is_none_is_refused(asker: Asker) -> None:
    raw: Any = asker.channel.stream_stream(PATH)

    with pytest.raises(InvalidArgumentError, match="not a valid StringValue"):
        await HeldStreams(raw).ask(b"\xff\xff", deadline_seconds=SECONDS)


async def test_whoever_is_not_on_the_list_is_not_heard(harness: Harness) -> None:
    asker = Asker(harness)
    await asker.start(peers=frozenset({"someone"}))
    await asker.connect()

    with pytest.raises(PermissionDeniedError):
        await asker.ask("anything")

    assert (asker.oracle.heard, asker.counted("PERMISSION_DENIED")) == ([], 1)


async def test_a_stream_too_many_is_refused(harness: Harness) -> None:
    asker = Asker(harness)
    await asker.start(concurrent_streams=1)
    await asker.connect()
    slow = await asker.held_up("slow")

    with pytest.raises(ResourceExhaustedError):
        await asker.ask("next")

    asker.oracle.let_go["slow"].set()
    assert await slow == "slow!"


async def test_who_asks_once_and_waits_for_the_end_is_answered(asker: Asker) -> None:
    unary: Any = asker.channel.unary_unary(PATH, ENCODE, StringValue.FromString)

    answer = await call(unary, StringValue(value="once"), deadline_seconds=SECONDS)

    assert answer.value == "once!"


async def test_a_peer_that_answers_once_is_asked_over_a_stream_each_time(
    harness: Harness,
) -> None:
    async def once(request: StringValue, _context: Any) -> StringValue:
        return StringValue(value=f"{request.value}!")

    def add(_servicer: object, server: Any) -> None:
        handler = grpc.unary_unary_rpc_method_handler(once, StringValue.FromString, ENCODE)
        server.add_registered_method_handlers(NAME, {METHOD: handler})

    _, port = await harness.start(Service(NAME, add, None, without_token=EVERY_METHOD))
    channel = await harness.channel(port)
    method: Any = channel.stream_stream(PATH, ENCODE, StringValue.FromString)
    streams: HeldStreams[StringValue, StringValue] = HeldStreams(method)

    for question in ("a", "b"):
        answer = await streams.ask(StringValue(value=question), deadline_seconds=SECONDS)
        assert answer.value == f"{question}!"
