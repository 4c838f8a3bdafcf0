"""Histories that end in a fail-over: what was acknowledged before is there afterwards.

Each is scripted by its number: what is asked, what befalls which database, whose primary is
lost. What overlaps what is up to the machine.

- First everything is well. Then a standby dies, stalls or loses its connection, callers give
  up, commits' waits are cancelled from outside, and a primary may crash and come back, which
  shows everybody what only it has.
- Then the primary is killed, and its standby, which has only what was replicated, takes over.
- Afterwards every name is read, and every create that had an idempotency key is sent again.
- Reads while a standby is missing are not recorded: they may show what a fail-over undoes
  (docs/crash-model.md).
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.faults.histories.history import History, Moments, violations
from tests.faults.histories.linearizability import Call
from tests.faults.histories.model import READS, VALUED, Answer, Operation, Spec, Verb
from tests.faults.replication.client import JoinedClient, Patience, key_of
from tests.faults.replication.nodes import Pair
from tests.faults.system.installation import Installation

NAMES = 4
CALLERS = 3
CALLS_EACH = 3
CANCEL = (
    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
)
WEIGHTS = {Verb.CREATE: 5, Verb.UPDATE: 4, Verb.EDIT: 4, Verb.DELETE: 3}
KEYED = 0.6  # of the creates are sent under an idempotency key
CREATED_FIRST = 0.8  # of the names
ALLOWED = 0.7  # of the writes have the tests' decrypter on the list
CAREFUL = 0.3  # of the writes expect to find what was last seen
SENT_AGAIN_AT_ONCE = 0.5  # of those
CANCELS = 8  # rounds, at least
CANCELLED_EACH = 3  # waits of each database, if there are so many before all is answered
CANCEL_PAUSE_SECONDS = 0.05
MISFORTUNES: Sequence[Callable[[Pair], Awaitable[None]]] = (
    Pair.kill_standby,
    Pair.stall_standby,
    Pair.cut_standby_off,
)


@dataclass
class FailOvers:
    """An installation on two pairs of servers, and what was seen of it."""

    installation: Installation
    pairs: dict[str, Pair]
    seed: str
    moments: Moments = field(default_factory=Moments)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def afresh(self, seed: str) -> "FailOvers":
        """Others on the same servers, of which nothing was seen yet."""
        return FailOvers(self.installation, self.pairs, seed)

    async def run(self, number: int) -> None:
        """One history of some names, and the fail-over that ends it. Both pairs are whole."""
        chance = random.Random(f"{self.seed} {number}")
        lost = chance.choice((("metadata",), ("vault",), ("metadata", "vault")))
        script = _Script(self, number, chance)
        await script.create_most()
        await script.ask_all(calls_each=1)
        await self._under_misfortune([self.pairs[name] for name in lost], script, chance)
        for name in lost:
            await self.pairs[name].fail_over()
        await script.look()
        self.broken += script.broken()
        self.counts["fail-overs"] += 1
        await asyncio.gather(*(self.pairs[name].follow_anew() for name in lost))

    async def _under_misfortune(
        self, lost: Sequence[Pair], script: "_Script", chance: random.Random
    ) -> None:
        for pair in lost:
            await chance.choice(MISFORTUNES)(pair)
        script.client.patience.short = True
        asking = asyncio.ensure_future(script.ask_all(calls_each=CALLS_EACH))
        await self._cancel_waits(lost, script, asking)
        if chance.random() < 0.3:
            await chance.choice(lost).restart_primary()
            self.counts["primaries crashed and back"] += 1
        await asking
        script.client.patience.short = False

    async def _cancel_waits(
        self, lost: Sequence[Pair], script: "_Script", asking: asyncio.Future[None]
    ) -> None:
        """For a while; on a slow machine until some were cancelled. Others read meanwhile."""
        cancelled = [0] * len(lost)
        for number in itertools.count():
            if number >= CANCELS and (asking.done() or min(cancelled) >= CANCELLED_EACH):
                break
            await asyncio.sleep(CANCEL_PAUSE_SECONDS)
            for position, pair in enumerate(lost):
                cancelled[position] += int(str(await pair.ask(CANCEL)))
            await script.read()
        self.counts["waits cancelled"] += sum(cancelled)


@dataclass
class _Script:
    """The calls of one history."""

    of: FailOvers
    number: int
    chance: random.Random
    client: JoinedClient = field(init=False)
    histories: list[History] = field(init=False)
    sent: list["_Sent"] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        metadata = self.of.installation.metadata()
        vault = self.of.installation.vault(metadata=metadata)
        self.client = JoinedClient(metadata, vault, Patience(self.chance))
        names = (f"{self.of.seed}-{self.number}-{n}" for n in range(NAMES))
        self.histories = [History(name, self.of.moments) for name in names]

    async def create_most(self) -> None:
        """Most names are there when the others begin."""
        for history in self.histories:
            if self.chance.random() < CREATED_FIRST:
                await self._call(history, 0, self._operation(history, Verb.CREATE))

    async def ask_all(self, *, calls_each: int) -> None:
        """Every name is written to by every caller at once."""
        await asyncio.gather(
            *(
                self._go_on(history, caller, calls_each)
                for history in self.histories
                for caller in range(CALLERS)
            )
        )

    async def _go_on(self, history: History, caller: int, calls: int) -> None:
        for _ in range(calls):
            (verb,) = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            await self._call(history, caller, self._operation(history, verb))

    async def _call(self, history: History, caller: int, asked: Operation) -> None:
        done = await history.record(
            caller, asked, lambda intent: self.client.ask(history, intent)
        )
        self.of.counts[f"writes: {done.answer}"] += 1
        if key_of(history, asked) in self.client.keys and not done.is_refused:
            call = next(call for call in history.calls if call.operation is done)
            sent = _Sent(history, call)
            self.sent.append(sent)
            if self.chance.random() < SENT_AGAIN_AT_ONCE:
                await self._send_again(sent)

    def _operation(self, history: History, verb: Verb) -> Operation:
        number = self.of.moments.next()
        spec = Spec(f"d{number}", self.chance.random() < ALLOWED, f"l{number}")
        careful = verb is not Verb.CREATE and self.chance.random() < CAREFUL
        asked = Operation(
            verb=verb,
            spec=Spec() if verb is Verb.DELETE else spec,
            value=history.new_value() if verb in VALUED else "",
            expected=history.seen if careful else None,
        )
        if verb is Verb.CREATE and self.chance.random() < KEYED:
            self.client.keys.add(key_of(history, asked))
        return asked

    async def _send_again(self, sent: "_Sent") -> None:
        """A create under its key once more: it happens once, so it is one call."""
        first = sent.call
        asked = replace(first.operation, answer=Answer.UNKNOWN, shown=None)
        done = await self.client.ask(sent.history, asked)
        self.of.counts[f"repeats: {done.answer}"] += 1
        if done.answer is Answer.UNKNOWN:
            return
        if not first.answered:
            sent.answer(replace(first, operation=done, returned=self.of.moments.next()))
        elif done != first.operation:
            self.contradicted.append(f"{sent.history.name}: a repeat is answered differently")

    async def read(self) -> None:
        """Reads are answered while a standby is missing."""
        for verb in READS:
            done = await self.client.ask(self.histories[0], Operation(verb=verb))
            told = "no answer" if done.answer is Answer.UNKNOWN else "answered"
            self.of.counts[f"reads without a standby: {told}"] += 1

    async def look(self) -> None:
        """What is there after the fail-over is recorded, repeats included."""
        for history in self.histories:
            for verb in (Verb.GET, Verb.DECRYPT):
                await self._look(history, verb)
        for sent in self.sent:
            if not sent.call.operation.is_refused:
                await self._send_again(sent)
        for history in self.histories:
            await self._look(history, Verb.GET)

    async def _look(self, history: History, verb: Verb) -> None:
        answer = Answer.UNKNOWN
        while answer is Answer.UNKNOWN:
            asked = Operation(verb=verb)
            done = await history.record(
                0, asked, lambda intent: self.client.ask(history, intent)
            )
            answer = done.answer

    def broken(self) -> list[str]:
        """What no order of the calls explains."""
        return [*violations(self.histories), *self.contradicted]


@dataclass
class _Sent:
    """A create under a key, as it is recorded by now."""

    history: History
    call: Call[Operation]

    def answer(self, call: Call[Operation]) -> None:
        """It has been answered after all."""
        calls = self.history.calls
        calls[next(i for i, other in enumerate(calls) if other is self.call)] = call
        self.call = call
