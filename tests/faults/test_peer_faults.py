"""A gRPC peer that dies, falls silent and comes back, as its client sees it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis.errors import DeadlineExceededError, UnavailableError
from chassis.grpc_client import call
from tests.faults.proxy import FaultyProxy, faulty_proxy
from tests.integration.chassis.echo import EchoStub, repeat
from tests.integration.chassis.harness import Harness

HELLO = StringValue(value="hello")
RECOVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Faulty:
    """A stub to an echo server behind a proxy."""

    stub: EchoStub
    proxy: FaultyProxy


@pytest.fixture
async def faulty(tmp_path: Path) -> AsyncIterator[Faulty]:
    async with AsyncExitStack() as stack:
        harness = Harness(tmp_path, stack)
        port = await harness.serve(repeat)
        proxy, proxied = await stack.enter_async_context(faulty_proxy("127.0.0.1", port))
        stub = EchoStub(await harness.channel(proxied))
        await call(stub.Once, HELLO, deadline_seconds=5)
        yield Faulty(stub, proxy)


async def test_a_dead_peer_is_unavailable_promptly(faulty: Faulty) -> None:
    faulty.proxy.cut()
    started = time.monotonic()

    for _ in range(3):
        with pytest.raises(UnavailableError):
            await call(faulty.stub.Once, HELLO, deadline_seconds=5)

    assert time.monotonic() - started < 3


async def test_a_silent_peer_costs_the_deadline_and_no_more(faulty: Faulty) -> None:
    faulty.proxy.stall()
    started = time.monotonic()

    with pytest.raises(DeadlineExceededError):
        await call(faulty.stub.Once, HELLO, deadline_seconds=0.5)

    assert time.monotonic() - started < 2


async def test_a_peer_cut_in_mid_call_is_unavailable(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        harness = Harness(tmp_path, stack)
        entered = asyncio.Event()

        async def never(_text: str, _context: Any) -> str:
            entered.set()
            await asyncio.Event().wait()
            return ""

        port = await harness.serve(never)
        proxy, proxied = await stack.enter_async_context(faulty_proxy("127.0.0.1", port))
        stub = EchoStub(await harness.channel(proxied))
        pending = asyncio.ensure_future(call(stub.Once, HELLO, deadline_seconds=30))
        await entered.wait()

        proxy.cut()

        with pytest.raises(UnavailableError):
            await pending


async def test_a_peer_that_comes_back_is_found_without_a_restart(faulty: Faulty) -> None:
    faulty.proxy.cut()
    with pytest.raises(UnavailableError):
        await call(faulty.stub.Once, HELLO, deadline_seconds=5)

    faulty.proxy.restore()

    async with asyncio.timeout(RECOVERY_SECONDS):
        answer = await faulty.stub.Once(HELLO, wait_for_ready=True)
    assert answer.value == "hello"
