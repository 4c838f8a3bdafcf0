"""What befalls the replicas and the lines between them while they are used.

Each kind comes again and again, after pauses and to victims that the seed chooses: killed
processes, which are started again; cut connections, also to the databases and in the middle of
a commit; processes that stand still for a while. One process at a time is dead.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.histories.replicated_stack import ReplicatedStack

Befall = Callable[[random.Random], Awaitable[None]]


@dataclass(slots=True)
class Misfortunes:
    """How many there were of each kind is in `counted`."""

    stack: ReplicatedStack
    seed: int
    counted: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def befalling(self) -> AsyncIterator[None]:
        """Meanwhile; afterwards all is whole."""
        kinds = ((self._kill, 4.0), (self._cut, 0.7), (self._pause, 2.0))
        tasks = [asyncio.create_task(self._again(*kind)) for kind in kinds]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self.stack.restore()
            for replica in self.stack.replicas.values():
                replica.child.send(signal.SIGCONT)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended

    async def _again(self, befall: Befall, mean_pause_seconds: float) -> None:
        chance = random.Random(f"{self.seed} {befall}")
        while True:
            await asyncio.sleep(mean_pause_seconds * chance.uniform(0.5, 1.5))
            await befall(chance)

    async def _kill(self, chance: random.Random) -> None:
        self.counted["kills"] += 1
        await self.stack.kill(chance.choice(sorted(self.stack.replicas)))

    async def _cut(self, chance: random.Random) -> None:
        self.counted["cuts"] += 1
        line = self.stack.lines[chance.choice(sorted(self.stack.lines))]
        line.cut()
        await asyncio.sleep(chance.uniform(0, 0.2))
        line.restore()

    async def _pause(self, chance: random.Random) -> None:
        self.counted["pauses"] += 1
        replica = self.stack.replicas[chance.choice(sorted(self.stack.replicas))]
        replica.child.send(signal.SIGSTOP)
        await asyncio.sleep(chance.uniform(0.1, 0.8))
        replica.child.send(signal.SIGCONT)
