"""A stack with two workers of each service, and a polite caller of it."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from tests.bench.bystanders import Client, connection
from tests.bench.seed import create_secrets, secret_name
from tests.bench.under_test import StackUnderTest, stack_under_test
from tests.faults.strangers import streams
from tests.faults.strangers.drill import ROOT, Drill, attacker

WORKERS = {"SPLITKEEP_VAULT_WORKERS": "2", "SPLITKEEP_METADATA_WORKERS": "2"}
LONG = "SPLITKEEP_TEST_STRANGER_SECONDS" in os.environ
QUIET_SECONDS = 10.0 if LONG else 0.5
BUSY_SECONDS, BUSY_CALLERS = 1.0, 100
SETTLED_SECONDS = 40.0 if LONG else 5.0  # what was freed has been given back


def flooded(stack: StackUnderTest) -> None:
    """Both services have had one flood. After the first some is kept for good."""
    for address in (stack.vault, stack.metadata):
        port = int(address.rpartition(":")[2])
        command = attacker(streams.ATTACKS, port, seconds=2.0, times=0.2)
        subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=True)


async def used(stack: StackUnderTest) -> None:
    """It has been busy: memory is compared with that of a service in use, not of a new one."""
    await create_secrets(stack, 1)
    channels = [connection(stack) for _ in range(BUSY_CALLERS)]
    with suppress(TimeoutError):
        async with asyncio.timeout(BUSY_SECONDS), asyncio.TaskGroup() as calling:
            for channel in channels:
                client = Client(channel, stack.decrypter, secret_name(0))
                calling.create_task(client.one_after_another())
    await asyncio.gather(*(channel.close() for channel in channels))


@pytest.fixture(scope="module")
def attacked() -> Iterator[StackUnderTest]:
    with stack_under_test(None, **WORKERS) as stack:
        asyncio.run(used(stack))
        flooded(stack)
        time.sleep(SETTLED_SECONDS)
        yield stack


@pytest.fixture
async def drill(attacked: StackUnderTest) -> AsyncIterator[Drill]:
    """The polite caller has decrypted for a while, and nobody else was there."""
    async with connection(attacked) as channel:
        polite = Client(channel, attacked.decrypter, secret_name(0))
        await channel.channel_ready()
        made = Drill(attacked, polite)
        await made.quiet(QUIET_SECONDS)
        yield made
