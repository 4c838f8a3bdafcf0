"""How an answer that goes on begins and ends."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message

from chassis.errors import (
    DeadlineExceededError,
    ExpiredError,
    KnownError,
    ResourceExhaustedError,
    UnavailableError,
)
from chassis.metrics import Metrics
from gateway.edge.http_metrics import HttpMetrics
from gateway.edge.room import Room
from gateway.errors import ClientGoneError
from gateway.resources import event_streams
from gateway.resources.event_streams import EventStream, Streaming


@dataclass
class Client:
    """One end of a connection; a client that has stopped reading takes nothing any more."""

    sent: list[Message] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reads.set()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.sent.append(message)

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def is_whole(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False


class Events:
    """Lines as they are told to be, and whether anybody still wants them."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.asked = 0
        self.closed = False

    def tell(self, *lines: bytes | Exception | None) -> None:
        for line in lines:
            self.waiting.put_nowait(line)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                self.asked += 1
                line = await self.waiting.get()
                if line is None:
                    return
                if isinstance(line, Exception):
                    raise line
                yield line
        finally:
            self.closed = True


def streaming(capacity: int = 1) -> Streaming:
    return Streaming(
        room=Room(capacity),
        draining=asyncio.Event(),
        metrics=HttpMetrics(Metrics()),
        least_seconds=10,
    )


def last_line(error: KnownError) -> bytes:
    return type(error).__name__.encode()


async def serve(
    events: Events, client: Client, shared: Streaming | None = None, *, seconds: float = 10
) -> None:
    stream = EventStream(
        events.lines(), last_line, seconds=seconds, streaming=shared or streaming()
    )
    scope: dict[str, Any] = {"type": "http"}
    async with asyncio.timeout(10):
        await stream(scope, client.receive, client.send)


async def test_lines_are_sent_as_they_come_until_there_are_no_more() -> None:
    events, client = Events(), Client()
    events.tell(b"a\n", b"", b"b\n", None)

    await serve(events, client)

    assert (client.status, client.body, client.is_whole) == (200, b"a\nb\n", True)
    assert events.closed


@pytest.mark.parametrize("error", [ExpiredError(), UnavailableError(), ValueError()])
async def test_what_fails_first_is_raised_and_nothing_is_sent(error: Exception) -> None:
    events, client = Events(), Client()
    events.tell(error)

    with pytest.raises(type(error)):
        await serve(events, client)
    assert client.sent == []


async def test_a_failure_after_a_silence_is_told_by_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_streams, "OPENING_SECONDS", 0.01)
    events, client = Events(), Client()
    serving = asyncio.create_task(serve(events, client))
    async with asyncio.timeout(10):
        while not client.sent:  # noqa: ASYNC110  # the answer's head has no event of its own
            await asyncio.sleep(0)
    events.tell(ExpiredError())
    await serving

    assert (client.body, client.is_whole) == (b"ExpiredError", True)


@pytest.mark.parametrize(
    "error", [UnavailableError(), DeadlineExceededError(), ResourceExhaustedError()]
)
async def test_what_passes_ends_the_body_without_a_word(error: KnownError) -> None:
    events, client = Events(), Client()
    events.tell(b"a\n", error)

    await serve(events, client)

    assert (client.body, client.is_whole) == (b"a\n", True)


async def test_a_bug_after_the_first_line_leaves_the_body_without_an_end() -> None:
    events, client = Events(), Client()
    events.tell(b"a\n", ValueError())

    with pytest.raises(ValueError):  # noqa: PT011  # it has no text
        await serve(events, client)
    assert not client.is_whole
    assert events.closed


async def test_time_ends_a_stream_even_before_its_first_line() -> None:
    events, client = Events(), Client()

    await serve(events, client, seconds=0.01)

    assert (client.status, client.body, client.is_whole) == (200, b"", True)
    assert events.closed


async def test_draining_ends_a_stream_that_runs_and_one_that_begins() -> None:
    shared, events, client = streaming(), Events(), Client()
    events.tell(b"a\n")
    serving = asyncio.create_task(serve(events, client, shared))
    async with asyncio.timeout(10):
        while events.asked < 2:  # noqa: ASYNC110  # nor has its second question
            await asyncio.sleep(0)
    shared.draining.set()
    await serving
    late = Client()
    await serve(Events(), late, shared)

    assert (client.body, client.is_whole) == (b"a\n", True)
    assert (late.status, late.is_whole) == (200, True)


async def test_a_client_that_is_gone_before_anything_was_sent_is_no_answer() -> None:
    events, client = Events(), Client()
    client.left.set()

    with pytest.raises(ClientGoneError):
        await serve(events, client)
    assert client.sent == []
    assert events.closed


async def test_a_client_that_does_not_read_is_not_read_for_and_gets_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_streams, "CLOSING_SECONDS", 0.01)
    events, client = Events(), Client()
    events.tell(*[b"a\n"] * 100)
    client.reads.clear()

    await serve(events, client, seconds=0.05)

    assert events.asked == 1
    assert client.sent == []
    assert events.closed


async def test_a_stream_without_a_place_is_refused_and_its_place_is_given_back() -> None:
    shared, events, client = streaming(capacity=1), Events(), Client()
    events.tell(b"a\n")
    serving = asyncio.create_task(serve(events, client, shared))
    async with asyncio.timeout(10):
        while events.asked < 2:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
    with pytest.raises(ResourceExhaustedError):
        await serve(Events(), Client(), shared)
    events.tell(None)
    await serving
    after = Events()
    after.tell(None)
    await serve(after, Client(), shared)


async def test_whoever_is_cancelled_leaves_nothing_running() -> None:
    events, client = Events(), Client()
    serving = asyncio.create_task(serve(events, client))
    async with asyncio.timeout(10):
        while not events.asked:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert events.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
