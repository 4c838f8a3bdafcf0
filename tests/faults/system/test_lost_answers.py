"""Answers that are lost on the real wire, and callers who do not wait for theirs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from tests.e2e.stack import a_canary, a_secure_value
from tests.faults.system.callers import COLLECTION, Callers, until
from tests.faults.system.proxied_stack import ProxiedStack

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD, NEW = a_canary(), a_canary()

HOLD_ROW = "SELECT name FROM secure_values WHERE namespace = 'default' AND name = $1 FOR UPDATE"
HOLD_NAME = "INSERT INTO names (namespace, name, last_version) VALUES ('default', $1, 1)"
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def name() -> str:
    return f"secret-{uuid4().hex[:8]}"


@asynccontextmanager
async def claim_held_up(callers: Callers, lock: str, name: str) -> AsyncIterator[None]:
    """Inside, Claim of this name waits as soon as it comes."""
    connection = await asyncpg.connect(callers.stack._dsns["metadata"].reveal())
    holding = connection.transaction()
    await holding.start()
    try:
        await connection.execute(lock, name)
        yield
        await holding.rollback()
    finally:
        await connection.close()


async def until_claim_waits(callers: Callers) -> None:
    async def waiting() -> bool:
        return int((await callers.rows("metadata", WAITING))[0]["count"]) > 0

    await until(waiting)


async def version_of(callers: Callers, name: str) -> int:
    """By the database; 0 if there is none."""
    query = f"SELECT version FROM secure_values WHERE name = '{name}'"  # ours
    rows = await callers.rows("metadata", query)
    return int(rows[0]["version"]) if rows else 0


async def lose_the_answer_of_an_update(
    callers: Callers, name: str
) -> "asyncio.Task[httpx2.Response]":
    """An update whose Claim has committed, and whose answer will never arrive."""
    line = callers.stack.lines["vault-metadata"]
    async with claim_held_up(callers, HOLD_ROW, name):
        updating = asyncio.create_task(callers.put(name, NEW))
        await until_claim_waits(callers)
        line.stall()  # the question is through, the answer will not be

    async def committed() -> bool:
        return await version_of(callers, name) == 2

    await until(committed)
    line.cut()
    return updating


async def test_an_answer_lost_after_the_commit_is_asked_for_again_and_nothing_moves_twice(
    stack: ProxiedStack, callers: Callers, name: str
) -> None:
    await callers.create(name, OLD)

    updating = await lose_the_answer_of_an_update(callers, name)
    stack.restore()
    answer = await updating

    assert (answer.status_code, answer.json()["status"]["version"]) == (200, 2)
    assert await callers.decrypt(name) == {name: NEW}
    assert await version_of(callers, name) == 2
    await callers.swept()


async def test_the_recorded_outcome_is_answered_even_if_someone_edited_meanwhile(
    stack: ProxiedStack, callers: Callers, name: str
) -> None:
    await callers.create(name, OLD)

    updating = await lose_the_answer_of_an_update(callers, name)
    edited = await callers.put(name, description="edited meanwhile")
    stack.restore()
    answer = await updating

    assert (edited.status_code, answer.status_code) == (200, 200)
    assert answer.json()["spec"]["description"] == "made by a test"
    live = (await callers.get(name)).json()
    assert live["spec"]["description"] == "edited meanwhile"
    assert await callers.decrypt(name) == {name: NEW}


async def test_a_write_whose_answer_stays_lost_is_unavailable_and_whole(
    stack: ProxiedStack, callers: Callers, name: str
) -> None:
    await callers.create(name, OLD)

    answer = await (await lose_the_answer_of_an_update(callers, name))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    stack.restore()
    await until(callers.ready)
    assert await callers.decrypt(name) == {name: NEW}
    await callers.swept()


async def test_a_caller_who_hangs_up_during_a_claim_leaves_all_or_nothing(
    callers: Callers, name: str
) -> None:
    async with claim_held_up(callers, HOLD_NAME, name):
        creating = asyncio.create_task(callers.create(name, NEW))
        await until_claim_waits(callers)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)

    await callers.swept()
    found = (await callers.decrypt(name))[name]
    assert found == (NEW if await version_of(callers, name) else "not found")


async def test_a_grpc_caller_who_hangs_up_during_a_claim_leaves_nothing(
    callers: Callers, name: str
) -> None:
    async with claim_held_up(callers, HOLD_NAME, name):
        creating = asyncio.create_task(callers.create_in_vault(name, NEW))
        await until_claim_waits(callers)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        # The claim is given up while it waits: nothing commits it when the lock goes.
        await until_no_claim_waits(callers)

    assert await version_of(callers, name) == 0
    await callers.swept()
    assert await callers.decrypt(name) == {name: "not found"}


async def until_no_claim_waits(callers: Callers) -> None:
    async def nobody_waits() -> bool:
        return int((await callers.rows("metadata", WAITING))[0]["count"]) == 0

    await until(nobody_waits)


@pytest.mark.parametrize("sent", ["half of the head", "half of the body"])
async def test_a_caller_who_hangs_up_in_mid_request_leaves_nothing(
    callers: Callers, name: str, sent: str
) -> None:
    request = callers.http.build_request("POST", COLLECTION, json=a_secure_value(name, NEW))
    lines = [f"{key}: {value}" for key, value in request.headers.items()]
    head = "\r\n".join([f"POST {COLLECTION} HTTP/1.1", *lines, "", ""]).encode()
    whole = head + request.content
    part = head[:-8] if sent == "half of the head" else whole[:-8]
    tls = ssl.create_default_context(cafile=callers.stack.state.authority.certificate)

    port = callers.stack.ports["gateway"]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(part)
    await writer.drain()
    writer.transport.abort()

    assert (await callers.listing()).status_code == 200
    assert await callers.decrypt(name) == {name: "not found"}
    await callers.swept()
