"""Documents for everyone: whole, in parts, compressed, and known by their tag."""

import gzip
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from gateway.published import PART_BYTES, Published

BODY = b"0123456789abcdef" * 10_000


async def ask(
    published: Published, query: str = "", **headers: str
) -> tuple[Message, list[bytes]]:
    """The start of the answer, and its parts."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"spec_version": "2.4"},
        "method": "GET",
        "path": "/",
        "query_string": query.encode(),
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    response = await published.answer(Request(scope))
    await response(scope, receive, send)
    return sent[0], [message["body"] for message in sent[1:]]


def header(start: Message, name: str) -> str:
    found: dict[bytes, bytes] = dict(start["headers"])
    return found.get(name.encode(), b"").decode()


async def test_a_long_document_is_sent_in_parts_that_add_up() -> None:
    start, parts = await ask(Published(BODY, "text/plain"))

    assert b"".join(parts) == BODY
    assert int(header(start, "content-length")) == len(BODY)
    assert max(map(len, parts)) == PART_BYTES


async def test_a_compressed_document_has_a_tag_of_its_own() -> None:
    published = Published(BODY, "text/plain")

    plain, _ = await ask(published)
    packed, parts = await ask(published, accept_encoding="br, gzip")

    assert gzip.decompress(b"".join(parts)) == BODY
    assert header(packed, "content-encoding") == "gzip"
    assert header(packed, "etag") != header(plain, "etag")
    assert int(header(packed, "content-length")) == len(b"".join(parts))


async def test_a_short_document_is_not_compressed() -> None:
    start, parts = await ask(Published(b"short", "text/plain"), accept_encoding="gzip")

    assert (header(start, "content-encoding"), parts[0]) == ("", b"short")


@pytest.mark.parametrize("tag", ["{}", "W/{}", '"x", {}', "*"])
async def test_who_has_a_document_is_sent_nothing(tag: str) -> None:
    published = Published(BODY, "text/plain")
    start, _ = await ask(published)

    known, parts = await ask(published, if_none_match=tag.format(header(start, "etag")))

    assert (known["status"], parts) == (304, [b""])


async def test_only_an_address_with_the_hash_is_kept_for_good() -> None:
    published = Published(BODY, "text/plain")

    by_hash, _ = await ask(published, f"hash={published.hash}")
    by_another, _ = await ask(published, "hash=00")

    assert "immutable" in header(by_hash, "cache-control")
    assert header(by_another, "cache-control") == "no-cache"
