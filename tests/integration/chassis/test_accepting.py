"""Calls that come together are taken on together."""

import asyncio
import time
from typing import Any

from google.protobuf.wrappers_pb2 import StringValue

from chassis.accepting import AT_ONCE
from tests.integration.chassis.echo import EchoStub
from tests.integration.chassis.harness import Harness

BUSY_SECONDS = 0.3


class Turns:
    """Counts the turns of the event loop, and in which of them each call began."""

    def __init__(self) -> None:
        self.count = 0
        self.begun: list[int] = []
        self._next()

    def _next(self) -> None:
        self.count += 1
        self._handle = asyncio.get_running_loop().call_soon(self._next)

    def end(self) -> None:
        self._handle.cancel()

    async def __call__(self, text: str, _context: Any) -> str:
        self.begun.append(self.count)
        return text


async def test_calls_that_came_while_the_loop_was_busy_begin_within_a_few_turns(
    harness: Harness,
) -> None:
    turns = Turns()
    stub = EchoStub(await harness.channel(await harness.serve(turns)))
    await stub.Once(StringValue(value="the connection is there"))
    turns.begun.clear()

    calls = [asyncio.ensure_future(_once(stub)) for _ in range(AT_ONCE)]
    await asyncio.sleep(0.02)  # they are sent, and none or few are taken on
    time.sleep(BUSY_SECONDS)  # noqa: ASYNC251  # meanwhile the others come
    await asyncio.gather(*calls)
    turns.end()

    assert len(turns.begun) == AT_ONCE
    assert max(turns.begun) - min(turns.begun) < AT_ONCE // 2


async def _once(stub: EchoStub) -> None:
    await stub.Once(StringValue(value="a"))
