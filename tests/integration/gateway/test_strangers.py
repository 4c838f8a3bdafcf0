"""What the gateway serves while strangers ask it: slow bodies, refused credentials."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from gateway.edge.strangers import StrangerBounds
from tests.integration.gateway.conftest import (
    VALUES,
    Certificates,
    Gateway,
    running_gateway,
)
from tests.integration.gateway.raw_http import HOST, posting

STRANGERS = StrangerBounds(together=6, per_source=3, refusals_per_second=20)

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def own_gateway(certificates: Certificates) -> AsyncIterator[Gateway]:
    """Nobody is known to it yet."""
    async with running_gateway(certificates, STRANGERS) as gateway:
        yield gateway


async def test_refused_credentials_exhaust_a_source_and_hinder_nobody_who_is_known(
    own_gateway: Gateway,
) -> None:
    async with own_gateway.http() as known, own_gateway.http("junk") as stranger:
        assert (await known.get(VALUES)).status_code == 200
        answers = [
            await stranger.get(VALUES, headers={"Authorization": f"Bearer junk-{number}"})
            for number in range(int(STRANGERS.refusals_per_second * 20))
        ]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert (await known.get(VALUES)).status_code == 200

    assert answers[0].status_code == 401
    assert refused.headers["retry-after"] == "1"
    assert b'reason="refused_credentials"' in own_gateway.metrics.exposition()


async def test_slow_bodies_of_strangers_leave_places_for_callers_who_are_known(
    own_gateway: Gateway,
) -> None:
    head = posting(b"{" * 1_000)[:-999]
    junk = head.replace(b"Bearer ", b"Bearer junk")
    async with own_gateway.http() as known, AsyncExitStack() as held:
        assert (await known.get(VALUES)).status_code == 200
        for _ in range(STRANGERS.per_source):
            _, writer = await held.enter_async_context(own_gateway.connection())
            writer.write(junk)
            await writer.drain()
        await asyncio.sleep(0.2)
        _, refused = await own_gateway.exchange(
            f"GET {VALUES} HTTP/1.1\r\n".encode()
            + HOST
            + b"Authorization: Bearer other\r\nConnection: close\r\n\r\n"
        )
        served = await asyncio.gather(*(known.get(VALUES) for _ in range(4)))

    assert refused.startswith(b"HTTP/1.1 429 ")
    assert [answer.status_code for answer in served] == [200] * 4


async def test_a_connection_counts_against_its_source_until_a_credential_is_accepted(
    own_gateway: Gateway,
) -> None:
    async with own_gateway.http("junk") as stranger, own_gateway.http() as known:
        await stranger.get("/healthz")
        await stranger.get(VALUES)
        before = dict(own_gateway.slots._strangers)
        await known.get(VALUES)

        assert before == own_gateway.slots._strangers == {"127.0.0.1": 1}
        assert own_gateway.slots.open == 2


async def test_a_watch_makes_its_caller_known_with_its_first_word(own_gateway: Gateway) -> None:
    body = {"metadata": {"name": "first"}, "spec": {"description": "d", "value": "v"}}
    async with own_gateway.http() as http:
        assert (await http.post(VALUES, json=body)).status_code == 201
    async with own_gateway.http() as http, http.stream("GET", f"{VALUES}?watch=true") as answer:
        assert "ADDED" in await anext(answer.aiter_lines())

        assert own_gateway.slots._strangers == {}
