"""After the answer no Python object of the gateway holds the value or the token.

The connection stays open: what is kept with it would be kept for as long as a client likes.
What lies in freed memory is another matter (docs/threat-model.md, Host of the gateway).
"""

import json
import secrets

import pytest

from tests.integration.gateway.conftest import VALUES, Gateway
from tests.integration.gateway.raw_http import HOST, posting
from tests.reachable import holders, still_held

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("kind", ["created", "refused", "no JSON", "too long"])
async def test_no_object_holds_a_value_after_the_answer(gateway: Gateway, kind: str) -> None:
    marker = secrets.token_hex(16).encode()
    assert await held_after_the_answer(gateway, marker, request_of(kind, marker)) == []


@pytest.mark.parametrize("header", [b"Authorization: Bearer", b"X-Access-Token:"])
async def test_no_object_holds_a_token_after_the_answer(
    gateway: Gateway, header: bytes
) -> None:
    marker = secrets.token_hex(16).encode()
    head = b"GET %s HTTP/1.1\r\n" % VALUES.encode() + HOST
    request = head + header + b" %s\r\n\r\n" % marker
    assert await held_after_the_answer(gateway, marker, request) == []


async def test_of_two_requests_at_once_the_second_is_answered_as_ever(gateway: Gateway) -> None:
    """What is dropped with the first answer is the first request's."""
    one = posting(b"{}", b"Content-Type: application/json")
    two = posting(b"", b"Content-Type: application/json")
    async with gateway.connection() as (reader, writer):
        writer.write(one + two)
        await writer.drain()
        first = await reader.readuntil(b"\r\n\r\n")
        rest = await reader.readuntil(b"the request body is empty")

    assert first.startswith(b"HTTP/1.1 422 ")
    assert b"HTTP/1.1 400 " in rest


async def test_the_search_finds_what_is_held() -> None:
    marker = secrets.token_hex(16).encode()
    kept = [(b"authorization", b"Bearer " + marker), {"nested": (marker.decode(),)}]

    assert holders(marker) == ["builtins.list"]
    assert len(kept) == 2


async def held_after_the_answer(gateway: Gateway, marker: bytes, request: bytes) -> list[str]:
    async with gateway.connection() as (reader, writer):
        writer.write(request)
        await writer.drain()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 ")
        # The services behind the gateway are in this process too, and remember what they heard.
        gateway.store.clear()
        del request
        return await still_held(marker)


def request_of(kind: str, marker: bytes) -> bytes:
    value = marker.decode()
    bodies = {
        "created": a_body(f"kept-{value[:8]}", value),
        "refused": a_body("Not A Name", value),
        "no JSON": b'{"spec": {"value": "' + marker,
        "too long": a_body("long", value * 1000),
    }
    return posting(bodies[kind], b"Content-Type: application/json")


def a_body(name: str, value: str) -> bytes:
    spec = {"description": "d", "value": value}
    return json.dumps({"metadata": {"name": name}, "spec": spec}).encode()
