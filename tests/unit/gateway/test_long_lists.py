"""A list of any length is written while it is read, in every form."""

import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from chassis.sensitive import Sensitive
from gateway.clients.resources import PageAsk, PageOf
from gateway.edge.request_state import set_form
from gateway.kinds import SECURE_VALUE, Target
from gateway.queries.ordering import Place
from gateway.rendering.forms import YAML, Form, Shape
from gateway.representation.secure_values import SecureValueRepresentation
from gateway.resources.lists import Lists
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValue

COUNT = 10_000
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TARGET = Target(kind=SECURE_VALUE, version="v1", namespace="default")
FILLER = "f" * 1_000


class Endless:
    """The part of a client that lists use; its objects are made when they are asked for."""

    async def list_page(self, ask: PageAsk, *, token: Sensitive[str]) -> PageOf[SecureValue]:
        start = int(ask.after.name or -1) + 1
        names = range(start, min(start + ask.page_size, COUNT))
        items = tuple(
            SecureValue(name=f"{n:05}", description="d", annotations={"filler": FILLER})
            for n in names
        )
        following = Place(items[-1].name) if names.stop < COUNT else None
        return PageOf(items, next=following, resource_version=7)


class Reader:
    """What a client receives: how much, and in how long parts."""

    def __init__(self) -> None:
        self.received = self.longest = self.rows = 0
        self.headers: dict[bytes, bytes] = {}

    async def send(self, message: Message) -> None:
        self.headers |= dict(message.get("headers", ()))
        body = message.get("body", b"")
        self.received += len(body)
        self.longest = max(self.longest, len(body))
        self.rows += body.count(FILLER.encode())


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def read_whole(form: Form, path: str = "") -> Reader:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "query_string": path.encode(),
        "headers": [],
        "asgi": {"spec_version": "2.4"},
    }
    set_form(scope, form)
    client: Any = Endless()
    lists = Lists(client, SecureValueRepresentation())
    reader = Reader()
    answer = await lists.list(TARGET, Request(scope, receive), Sensitive("token"))
    await answer(scope, receive, reader.send)
    return reader


@pytest.mark.parametrize(
    "form",
    [
        Form(now=NOW),
        Form(now=NOW, pretty=True),
        Form(now=NOW, shape=Shape.TABLE),
        Form(now=NOW, shape=Shape.METADATA),
    ],
    ids=["json", "pretty", "table", "metadata"],
)
async def test_ten_thousand_objects_take_no_more_memory_than_a_page(form: Form) -> None:
    tracemalloc.start()
    try:
        reader = await read_whole(form)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reader.rows == COUNT
    assert reader.received > COUNT * len(FILLER)
    assert peak < reader.received / 5
    assert reader.longest < 64_000


async def test_a_compressed_list_is_written_part_by_part() -> None:
    reader = await read_whole(Form(now=NOW, compressible=True))

    assert reader.headers[b"content-encoding"] == b"gzip"
    assert reader.received < 1_000_000
    assert reader.longest < 200_000


async def test_a_page_in_yaml_is_a_part_of_the_list() -> None:
    reader = await read_whole(Form(now=NOW, media_type=YAML), "limit=120")

    assert reader.headers[b"content-type"] == YAML.encode()
    assert reader.rows == 120


class Damaged:
    """A client one of whose pages leaves objects out."""

    async def list_page(self, ask: PageAsk, *, token: Sensitive[str]) -> PageOf[SecureValue]:
        return PageOf(
            (SecureValue(name="a"),),
            next=None,
            resource_version=7,
            damaged_names=("b", 'c"\r\nx: y'),
        )


@pytest.mark.parametrize("query", [b"", b"limit=5"], ids=["the whole", "a page"])
async def test_a_list_warns_of_objects_that_are_left_out_because_they_are_damaged(
    query: bytes,
) -> None:
    lists = Lists(Damaged(), SecureValueRepresentation())  # type: ignore[arg-type]  # lists use no more
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "",
        "query_string": query,
        "headers": [],
        "asgi": {"spec_version": "2.4"},
    }
    set_form(scope, Form())
    answer = await lists.list(TARGET, Request(scope), Sensitive("token"))
    reader = Reader()

    await answer(scope, receive, reader.send)

    told = b'299 - "left out because damaged in the database: 2: b"'
    assert reader.headers[b"warning"] == told
