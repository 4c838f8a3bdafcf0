"""Lines between the vaults and metadata that stand still for a moment, now and then.

An answer of metadata's that is on its way then arrives after a write that it knows nothing of
was acknowledged: whoever lets a later call have it, answers from before that write.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.faults.histories.replicated_stack import LETTERS, ReplicatedStack
from tests.faults.proxy import FaultyProxy

STANDING_SECONDS = (0.005, 0.03)
FLOWING_SECONDS = (0.01, 0.06)


@asynccontextmanager
async def hesitating(stack: ReplicatedStack, seed: int) -> AsyncIterator[None]:
    """Meanwhile, one line at a time; afterwards they are whole."""
    lines = [stack.lines[f"metadata_peer-{letter}"] for letter in LETTERS]
    task = asyncio.create_task(_hesitate(lines, random.Random(seed)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _hesitate(lines: list[FaultyProxy], chance: random.Random) -> None:
    while True:
        line = chance.choice(lines)
        try:
            line.stall()
            await asyncio.sleep(chance.uniform(*STANDING_SECONDS))
        finally:
            line.restore()
        await asyncio.sleep(chance.uniform(*FLOWING_SECONDS))
