"""64 writers who all saw the same resource version: one of them wins, and everybody is told."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.e2e.stack import a_canary, a_secure_value
from tests.faults.histories.callers import gateways_of
from tests.faults.histories.replicated_stack import ReplicatedStack
from tests.faults.system.callers import COLLECTION

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITERS = 64
Gateways = Sequence[httpx2.AsyncClient]
Write = Callable[[httpx2.AsyncClient, str, str, int], Awaitable[httpx2.Response]]


def seen(resource_version: str, name: str) -> dict[str, Any]:
    return {"name": name, "resourceVersion": resource_version}


async def put(
    gateway: httpx2.AsyncClient, name: str, resource_version: str, number: int
) -> httpx2.Response:
    body = a_secure_value(name, description=f"by {number}")
    body["metadata"] = seen(resource_version, name)
    return await gateway.put(f"{COLLECTION}/{name}", json=body)


async def put_with_a_value(
    gateway: httpx2.AsyncClient, name: str, resource_version: str, number: int
) -> httpx2.Response:
    body = a_secure_value(name, a_canary(), description=f"by {number}")
    body["metadata"] = seen(resource_version, name)
    return await gateway.put(f"{COLLECTION}/{name}", json=body)


async def merge_patch(
    gateway: httpx2.AsyncClient, name: str, resource_version: str, number: int
) -> httpx2.Response:
    body = {
        "metadata": {"resourceVersion": resource_version},
        "spec": {"description": f"by {number}"},
    }
    headers = {"content-type": "application/merge-patch+json"}
    return await gateway.patch(f"{COLLECTION}/{name}", json=body, headers=headers)


@pytest.mark.parametrize("gateways", [1, 2])
@pytest.mark.parametrize("write", [put, put_with_a_value, merge_patch])
async def test_of_64_writes_with_one_resource_version_one_wins_and_63_conflict(
    stack: ReplicatedStack, write: Write, gateways: int
) -> None:
    name = f"contended-{uuid4().hex[:8]}"
    async with gateways_of(stack) as both:
        made = (await both[0].post(COLLECTION, json=a_secure_value(name, a_canary()))).json()

        answers = await asyncio.gather(
            *(
                write(both[n % gateways], name, made["metadata"]["resourceVersion"], n)
                for n in range(WRITERS)
            )
        )

        found = (await both[0].get(f"{COLLECTION}/{name}")).json()
    told = Counter((a.status_code, a.json().get("reason")) for a in answers)
    assert told == {(200, None): 1, (409, "Conflict"): WRITERS - 1}
    (winner,) = [number for number, a in enumerate(answers) if a.is_success]
    assert found == answers[winner].json()
    assert found["spec"]["description"] == f"by {winner}"
    assert found["metadata"]["generation"] == 2
    assert found["status"]["version"] == (2 if write is put_with_a_value else 1)
