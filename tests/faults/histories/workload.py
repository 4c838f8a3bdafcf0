"""What the callers do to one name: a few calls each, all at the same time, chosen by a seed."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.faults.histories.callers import Caller
from tests.faults.histories.history import History, Moments
from tests.faults.histories.model import READS, VALUED, Answer, Operation, Spec, Verb

WEIGHTS = {
    Verb.CREATE: 4,
    Verb.UPDATE: 6,
    Verb.EDIT: 4,
    Verb.PATCH: 3,
    Verb.DELETE: 2,
    Verb.GET: 3,
    Verb.DECRYPT: 6,
}
CALLS_EACH = 2
AT_THE_SAME_TIME = 8
CAREFUL = 0.4  # of the writes expect to find what was last seen
CREATED_FIRST = 0.8  # of the names, before anything else is asked
PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class Workload:
    """Histories of names that begin with `prefix`, `AT_THE_SAME_TIME` of them at once."""

    prefix: str
    seed: int
    callers: Sequence[Caller]
    moments: Moments = field(default_factory=Moments)
    histories: list[History] = field(default_factory=list)

    async def run(self, count: int) -> None:
        """So many histories are recorded."""
        names = iter([f"{self.prefix}-{number:03}" for number in range(count)])
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_THE_SAME_TIME):
                group.create_task(self._one_after_another(names))

    async def _one_after_another(self, names: Iterator[str]) -> None:
        for name in names:
            history = History(name, self.moments)
            chance = random.Random(f"{self.seed} {name}")
            if chance.random() < CREATED_FIRST:
                await self._call(history, self.callers[0], chance, Verb.CREATE)
            await asyncio.gather(*(self._go_on(history, caller) for caller in self.callers))
            for verb in (Verb.GET, Verb.DECRYPT):
                await self._look(history, chance, verb)
            self.histories.append(history)

    async def _go_on(self, history: History, caller: Caller) -> None:
        chance = random.Random(f"{self.seed} {history.name} {caller.number}")
        for _ in range(CALLS_EACH):
            (verb,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            if await self._call(history, caller, chance, verb) is Answer.UNKNOWN:
                await asyncio.sleep(PAUSE_SECONDS)  # as whoever tries again does

    async def _look(self, history: History, chance: random.Random, verb: Verb) -> None:
        """Nobody else calls any more: what is there now was left by some order of them all."""
        answer = Answer.UNKNOWN
        while answer is Answer.UNKNOWN:
            answer = await self._call(history, self.callers[0], chance, verb)

    async def _call(
        self, history: History, caller: Caller, chance: random.Random, verb: Verb
    ) -> Answer:
        asked = _operation(history, chance, verb)
        client = caller.client_for(verb, chance)
        done = await history.record(caller.number, asked, partial(client.ask, history))
        return done.answer


def _operation(history: History, chance: random.Random, verb: Verb) -> Operation:
    if verb in READS:
        return Operation(verb=verb)
    careful = verb is not Verb.CREATE and chance.random() < CAREFUL
    return Operation(
        verb=verb,
        spec=_spec(verb, chance, history.moments.next()),
        value=history.new_value() if verb in VALUED else "",
        expected=history.seen if careful else None,
    )


def _spec(verb: Verb, chance: random.Random, number: int) -> Spec:
    if verb is Verb.DELETE:
        return Spec()
    whole = verb is not Verb.PATCH
    return Spec(
        description=f"d{number}" if whole else None,
        allowed=chance.random() < 0.7 if whole or chance.random() < 0.5 else None,
        label=f"l{number}",
    )
