"""Other spellings of a path, as bytes: the decision is that of the one spelling, or 400."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from tests.fakes.gateway.store import ADMIN, DELETER
from tests.integration.gateway.conftest import VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANONICAL = f"{VALUES}/one"
SEGMENTS = ("apis", "secret.grafana.app", "v1beta1", "namespaces", "securevalues")
FULL_WIDTH = {ord(" ") + code: 0xFF00 + code for code in range(1, 95)}
HOMOGLYPHS = {ord(latin): ord(other) for latin, other in zip("aceopsx", "асеорѕх", strict=True)}  # noqa: RUF001  # Cyrillic is the point
TOKENS = {"admin": ADMIN, "powerless": DELETER, "forged": "forged"}


def escaped(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def respelt(segment: str) -> Iterator[str]:
    """The segment as something that somebody might take for it."""
    yield segment.upper()
    yield segment.capitalize()
    yield escaped(segment)
    yield escaped(segment[0]) + segment[1:]
    yield escaped(escaped(segment[0])) + segment[1:]
    yield escaped(segment.translate(FULL_WIDTH))
    yield escaped(segment.translate(HOMOGLYPHS))
    yield segment + escaped("\u200b")
    yield segment + escaped("\u0301")
    yield f"{segment};x=1"
    yield f"{segment}%3bx=1"
    yield f"{segment}%00"
    yield f"{segment}%20"
    yield f"{segment}%0d%0aX-Access-Token:%20{ADMIN}"
    yield f"{segment}/"
    yield f"{segment}/."
    yield f"{segment}/x/.."
    yield f"{segment}/x/%2e%2e"
    yield f"{segment}/%2E"
    yield f"{segment}%2f"
    yield f"{segment}%5c"
    yield f"{segment}\\"


def paths() -> Iterator[str]:
    for segment in SEGMENTS:
        for other in respelt(segment):
            yield CANONICAL.replace(f"/{segment}/", f"/{other}/")
    for other in respelt("one"):
        yield f"{VALUES}/{other}"
    yield "/" + CANONICAL
    yield CANONICAL.replace("/", "//")
    yield f"/docs/..{CANONICAL}"
    yield f"/docs/%2e%2e{CANONICAL}"
    yield f"https://localhost{CANONICAL}"
    yield f"{CANONICAL}/"
    yield f"{CANONICAL}?"


def asking(target: bytes, token: str) -> bytes:
    head = b"GET %s HTTP/1.1\r\nHost: localhost\r\n" % target
    return head + b"Authorization: Bearer %s\r\n\r\n" % token.encode()


async def answer_on(reader: asyncio.StreamReader) -> tuple[int, object]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None, head
    return int(head.split(b" ", 2)[1]), json.loads(await reader.readexactly(int(length[1])))


async def decisions(gateway: Gateway, token: str) -> dict[str, tuple[int, object]]:
    """What every path is answered, on one connection: none of the paths ends it."""
    answers = {}
    async with gateway.connection() as (reader, writer), asyncio.timeout(60):
        for path in (CANONICAL, *paths()):
            writer.write(asking(path.encode(), token))
            answers[path] = await answer_on(reader)
    return answers


@pytest.mark.parametrize("who", TOKENS)
async def test_no_spelling_of_a_path_changes_the_decision(gateway: Gateway, who: str) -> None:
    body = {"metadata": {"name": "one"}, "spec": {"description": "one", "value": "a value"}}
    async with gateway.http() as http:
        assert (await http.post(VALUES, json=body)).status_code == 201

    answers = await decisions(gateway, TOKENS[who])

    expected = answers.pop(CANONICAL)
    assert expected[0] == {"admin": 200, "powerless": 403, "forged": 401}[who]
    astray = {
        path: answer[0]
        for path, answer in answers.items()
        if answer != expected and answer[0] != 400
    }
    assert astray == {}
    assert len([answer for answer in answers.values() if answer == expected]) > 10


@pytest.mark.parametrize(
    "target",
    [
        CANONICAL.translate(FULL_WIDTH).encode(),
        CANONICAL.replace("/", "\\").encode(),
        "/аpis".encode(),  # noqa: RUF001  # Cyrillic is the point
        CANONICAL.replace("/", "%2f").encode(),
        b"/\xff",
        b"/\x00",
        b"/apis\x7f",
        b"*",
        b"apis",
    ],
    ids=repr,
)
async def test_raw_bytes_that_are_no_path_are_a_bad_request(
    gateway: Gateway, target: bytes
) -> None:
    status, received = await gateway.exchange(asking(target, ADMIN), until_closed=False)

    assert status == 400
    assert b"application/json" in received
