"""Strangers decide little about the gateway's log; an accepted caller's lines are all there."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from chassis.line_limit import LINES_PER_SECOND
from tests.fakes.gateway.services import ADMIN
from tests.integration.gateway.conftest import (
    VALUES,
    Gateway,
    lines_of_earlier_tests_are_written,
)
from tests.unit.chassis.logged import Written, logging_kept

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = 3.0
STRANGER = "a.stranger.token"
LONG = "x" * 2_000

Ask = Callable[[httpx2.AsyncClient], Awaitable[object]]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def own_lines_only() -> None:
    await lines_of_earlier_tests_are_written()


@pytest.fixture
def written() -> Iterator[Written]:
    with logging_kept() as written:
        yield written


def requests(written: Written) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in written.stream.getvalue().splitlines()]
    return [line for line in lines if line["event"] == "request"]


async def flood(http: httpx2.AsyncClient, ask: Ask) -> int:
    """How often it was asked while it lasted, by four at once."""
    end = time.monotonic() + SECONDS

    async def repeated() -> int:
        count = 0
        while time.monotonic() < end:
            await ask(http)
            count += 1
        return count

    return sum(await asyncio.gather(*(repeated() for _ in range(4))))


async def accepted_calls(gateway: Gateway) -> int:
    """How many refused writes, 404s and reads an accepted caller made meanwhile."""
    end, count = time.monotonic() + SECONDS, 0
    async with gateway.http() as http:
        while time.monotonic() < end:
            await http.delete(f"{VALUES}/absent")
            await http.get(f"{VALUES}/absent")
            await http.get(VALUES)
            count += 3
            await asyncio.sleep(0.05)
    return count


def is_accepted_callers(line: dict[str, Any]) -> bool:
    return line["status"] in {200, 404} and "securevalues" in line.get("route", "")


@pytest.mark.parametrize(
    ("token", "ask", "status"),
    [
        (None, lambda http: http.put(f"{VALUES}/{LONG}", json={}), 401),
        (STRANGER, lambda http: http.get(f"{VALUES}/{LONG}"), 401),
        (ADMIN, lambda http: http.get(f"/apis/{LONG}"), 404),
        (STRANGER, lambda http: http.put(f"{VALUES}/a", content=LONG), 400),
        (STRANGER, lambda http: http.get("/apis/secret.grafana.app/v1beta1/keepers"), 403),
        (None, lambda http: http.request("PATCH", "/healthz"), 405),
        (None, lambda http: http.get("/version"), 200),
    ],
    ids=[
        "no token",
        "a bad token",
        "no path",
        "a bad body",
        "everywhere",
        "no verb",
        "documents",
    ],
)
async def test_a_strangers_requests_are_few_lines_and_hide_no_accepted_one(
    gateway: Gateway, written: Written, token: str | None, ask: Ask, status: int
) -> None:
    async with gateway.http(token) as http:
        asked, accepted = await asyncio.gather(flood(http, ask), accepted_calls(gateway))
    await asyncio.sleep(1.5)  # the count of the last second is written

    lines = requests(written)
    mine = [line for line in lines if is_accepted_callers(line)]
    theirs = [line for line in lines if line not in mine]
    assert {line["status"] for line in theirs} == {status}
    assert asked > 2 * LINES_PER_SECOND * SECONDS
    assert sum(line.get("count", 1) for line in theirs) == asked
    assert len(theirs) <= (SECONDS + 2) * (LINES_PER_SECOND + 1)
    assert len(mine) == accepted
    assert max(map(len, written.stream.getvalue().splitlines())) < 1_000


async def test_requests_that_are_no_http_are_few_lines(
    gateway: Gateway, written: Written
) -> None:
    for _ in range(50):
        await gateway.exchange(b"no http at all\r\n\r\n")
    await asyncio.sleep(1.5)

    lines = [json.loads(line) for line in written.stream.getvalue().splitlines()]
    refused = [line for line in lines if line["event"] == "connection refused"]
    assert sum(line.get("count", 1) for line in refused) == 50
    assert all("no http" not in json.dumps(line) for line in refused)
