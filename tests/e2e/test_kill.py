"""`kill -9` of any process under load: acknowledged means whole, the rest whole or absent."""

import asyncio
import os
import signal
import ssl
from dataclasses import dataclass, field

import asyncpg
import httpx2
import pytest

from tests.e2e.stack import Stack, a_canary, a_secure_value

CREATES = 250
UPDATES = 250


@dataclass
class Write:
    """One write under way: what it would leave, and whether it was acknowledged."""

    name: str
    before: str | None
    after: str = field(default_factory=a_canary)
    acknowledged: bool = False

    def whole(self, answer: dict[str, str]) -> bool:
        """Whether what decrypts now is one of the two whole states that it may leave."""
        absent = (
            {"error_message": "not found"} if self.before is None else {"value": self.before}
        )
        return answer == {"value": self.after} or (not self.acknowledged and answer == absent)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("process", ["gateway", "metadata", "vault"])
def test_killing_a_process_under_load_loses_and_halves_nothing(
    own_stack: Stack, process: str
) -> None:
    writes = [Write(f"new-{n}", before=None) for n in range(CREATES)]
    existing = [Write(f"old-{n}", before=a_canary()) for n in range(UPDATES)]
    asyncio.run(seed(own_stack, existing))

    asyncio.run(write_and_kill(own_stack, writes + existing, process))
    own_stack.wait_until(lambda: ready(own_stack), "every process is ready")

    answers = own_stack.decrypt([write.name for write in writes + existing])
    assert "" not in answers, f"the call as a whole is refused: {answers}"
    assert [w.name for w in writes + existing if not w.whole(answers[w.name])] == []
    assert any(write.acknowledged for write in writes)
    own_stack.wait_until(
        lambda: asyncio.run(kept(own_stack)) == asyncio.run(referenced(own_stack)),
        "the vault holds exactly the referenced values",
    )


async def seed(stack: Stack, writes: list[Write]) -> None:
    async with client(stack) as http:
        bodies = [a_secure_value(write.name, write.before) for write in writes]
        answers = await asyncio.gather(
            *(http.post(f"{stack.url}/securevalues", json=body) for body in bodies)
        )
    assert [answer.text for answer in answers if answer.status_code != 201] == []


async def write_and_kill(stack: Stack, writes: list[Write], process: str) -> None:
    killed = asyncio.Event()
    acknowledged = asyncio.Semaphore(0)

    async def kill_when_busy() -> None:
        for _ in range(50):
            await acknowledged.acquire()
        os.kill(stack.info["pids"][process], signal.SIGKILL)
        killed.set()

    async with client(stack) as http, asyncio.TaskGroup() as tasks:
        tasks.create_task(kill_when_busy())
        url = stack.url
        for write in writes:
            tasks.create_task(perform(http, url, write, acknowledged))
    assert killed.is_set()


async def perform(
    http: httpx2.AsyncClient, url: str, write: Write, acknowledged: asyncio.Semaphore
) -> None:
    body = a_secure_value(write.name, write.after)
    try:
        if write.before is None:
            answer = await http.post(f"{url}/securevalues", json=body)
        else:
            answer = await http.put(f"{url}/securevalues/{write.name}", json=body)
    except httpx2.HTTPError:
        return
    write.acknowledged = answer.is_success
    if answer.is_success:
        acknowledged.release()


def client(stack: Stack) -> httpx2.AsyncClient:
    info = stack.info
    return httpx2.AsyncClient(
        verify=ssl.create_default_context(cafile=info["ca"]),
        headers={"Authorization": f"Bearer {info['tokens']['admin']}"},
        limits=httpx2.Limits(max_connections=32),
        timeout=60,
    )


def ready(stack: Stack) -> bool:
    """Whether every process says that it can do its work, and reaches whom it needs."""
    try:
        pages = [f"{url}/readyz" for url in stack.info["operations"].values()]
        return all(httpx2.get(page).status_code == 200 for page in pages)
    except (httpx2.HTTPError, FileNotFoundError):
        return False


async def kept(stack: Stack) -> set[str]:
    return await ids(stack.info["dsn"]["vault"], "SELECT value_id FROM sealed_values")


async def referenced(stack: Stack) -> set[str]:
    return await ids(stack.info["dsn"]["metadata"], "SELECT value_id FROM secure_values")


async def ids(dsn: str, query: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return {str(row["value_id"]) for row in await connection.fetch(query)}
    finally:
        await connection.close()
