"""What was acknowledged is what the very next decrypt shows, through whichever replica.

One after another, secure values are changed at random: a decrypter removed or added back, a
value updated, the whole deleted or created again; over REST or over gRPC, through a replica
that chance picks. At the moment of the acknowledgement a decrypt is sent to a vault that chance
picks. What it answers has to be what one secure value would answer after that change; an answer
from before it is stale. A decrypt that was sent before the acknowledgement may answer either
way, and nothing else.

The seed decides what is changed, and by which way; what overlaps what is up to the machine.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.histories.client import Client
from tests.faults.histories.history import History, Moments, described
from tests.faults.histories.linearizability import Call
from tests.faults.histories.model import Answer, Live, Operation, Spec, State, Verb, step

CHANGES_OF_A_NAME = 40
SENT_BEFORE = 0.5  # of the changes have a decrypt beside them that is sent first
TOLD_AT_MOST = 5


class Change(StrEnum):
    REMOVE = "remove the decrypter"
    ADD = "add the decrypter back"
    UPDATE = "update the value"
    DELETE = "delete"
    CREATE = "create again"


# With and without a value, whole and in part: each is a statement of its own.
VERBS = {
    Change.REMOVE: (Verb.EDIT, Verb.PATCH, Verb.UPDATE),
    Change.ADD: (Verb.EDIT, Verb.PATCH, Verb.UPDATE),
    Change.UPDATE: (Verb.UPDATE,),
    Change.DELETE: (Verb.DELETE,),
    Change.CREATE: (Verb.CREATE,),
}
WEIGHTS = {Change.REMOVE: 4, Change.ADD: 4, Change.UPDATE: 3, Change.DELETE: 2}


@dataclass(frozen=True, repr=False)
class Door:
    """One way in: a replica and a wire."""

    name: str
    client: Client


@dataclass(slots=True)
class Found:
    """What the changes showed; stale answers are told in words, the first few of them."""

    acknowledged: Counter[Change] = field(default_factory=Counter)
    stale: Counter[Change] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    # Of the decrypts that were sent before the acknowledgement: from before it, or after.
    overtaken: Counter[str] = field(default_factory=Counter)
    given_up: int = 0  # names of which nobody knows what became of a write
    astray: list[str] = field(default_factory=list)

    def tell(self, what: str) -> None:
        if len(self.astray) < TOLD_AT_MOST:
            self.astray.append(what)


@dataclass(slots=True)
class Asked:
    """All that chance decides of one change, so that nothing is left to do once it is known."""

    change: Change
    operation: Operation
    door: Door
    vault: Door
    vault_before: Door | None


@dataclass(slots=True)
class Changes:
    """So many changers, each with names of its own, `current` while they are changed."""

    doors: Sequence[Door]
    vaults: Sequence[Door]
    seed: int
    prefix: str
    until_stale: bool = False  # ends with the first stale answer
    current: dict[int, str] = field(default_factory=dict)
    found: Found = field(default_factory=Found)
    moments: Moments = field(default_factory=Moments)

    async def run(self, count: int, changers: int) -> None:
        """`count` changes were acknowledged, each followed by its decrypt.

        Raises AssertionError if a call is answered what it never should be.
        """
        async with asyncio.TaskGroup() as group:
            for number in range(changers):
                share = count // changers + (number < count % changers)
                group.create_task(self._changer(number, share))

    async def _changer(self, number: int, share: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        for name in self._names(number):
            self.current[number] = name
            share -= await _Name(self, History(name, self.moments), chance).change(
                min(share, CHANGES_OF_A_NAME)
            )
            if share == 0 or self.ended:
                return

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to learn."""
        return self.until_stale and self.found.stale.total() > 0

    def _names(self, number: int) -> Iterator[str]:
        names = 0
        while True:
            yield f"{self.prefix}-{number}-{names:03}"
            names += 1


@dataclass(slots=True)
class _Name:
    """One name's changes, one after another."""

    changes: Changes
    history: History
    chance: random.Random
    state: State = field(default_factory=State)

    async def change(self, count: int) -> int:
        """How many were acknowledged; fewer if it has to be given up."""
        for done in range(count):
            if self.changes.ended:
                return done
            if not await self._change():
                self.changes.found.given_up += 1
                return done
        return count

    async def _change(self) -> bool:
        """Acknowledged in the end; False if it may yet happen, who knows when."""
        while True:
            asked = self._asked()
            before = self._sent_before(asked)
            written = await asked.door.client.ask(self.history, asked.operation)
            # First of all: whatever else there is to do can wait.
            shown = await self._decrypt(asked.vault) if _is_done(written) else None
            shown_before = None if before is None else await before
            self._expect_an_answer(shown, shown_before)
            if written.answer is Answer.UNKNOWN:
                return False
            old, self.state = self.state, self._after(asked, written)
            if shown is not None:
                self._acknowledged(asked, written, shown)
                self._overtaken(old, shown_before)
                return True

    def _expect_an_answer(self, *shown: Operation | None) -> None:
        if any(each is not None and each.answer is Answer.WRONG for each in shown):
            raise AssertionError(f"{self.history.name}: a decrypt failed")

    def _after(self, asked: Asked, written: Operation) -> State:
        after = step(self.state, written)
        if after is None:
            told = f"{self.history.name}: never so: {_told(written)} ({asked.door.name})"
            raise AssertionError(told)
        return after

    def _sent_before(self, asked: Asked) -> "asyncio.Task[Operation] | None":
        if asked.vault_before is None:
            return None
        return asyncio.create_task(self._decrypt(asked.vault_before))

    def _acknowledged(self, asked: Asked, written: Operation, shown: Operation) -> None:
        found = self.changes.found
        found.acknowledged[asked.change] += 1
        found.ways[asked.door.name] += 1
        if step(self.state, shown) is None:
            found.stale[asked.change] += 1
            ways = f"({asked.door.name}), then ({asked.vault.name})"
            found.tell(f"{self.history.name}: {_told(written)} {ways} {_told(shown)}")

    def _overtaken(self, old: State, shown: Operation | None) -> None:
        """What was sent before the acknowledgement, from before it or after."""
        found = self.changes.found
        if shown is None:
            return
        if step(self.state, shown) is not None:
            found.overtaken["after"] += 1
        elif step(old, shown) is not None:
            found.overtaken["before"] += 1
        else:
            found.overtaken["neither"] += 1
            found.tell(f"{self.history.name}: neither before nor after: {_told(shown)}")

    async def _decrypt(self, vault: Door) -> Operation:
        """An answer, however often it is asked: until the next change it stays true."""
        while True:
            shown = await vault.client.ask(self.history, Operation(verb=Verb.DECRYPT))
            if shown.answer is not Answer.UNKNOWN:
                return shown

    def _asked(self) -> Asked:
        chance = self.chance
        change = self._drawn(self.state.live)
        verb = chance.choice(VERBS[change])
        doors = [door for door in self.changes.doors if verb in door.client.verbs]
        before = chance.random() < SENT_BEFORE
        return Asked(
            change=change,
            operation=self._operation(change, verb),
            door=chance.choice(doors),
            vault=chance.choice(self.changes.vaults),
            vault_before=chance.choice(self.changes.vaults) if before else None,
        )

    def _drawn(self, live: Live | None) -> Change:
        if live is None:
            return Change.CREATE
        useless = Change.ADD if live.spec.allowed else Change.REMOVE
        weights = {change: weight for change, weight in WEIGHTS.items() if change != useless}
        (change,) = self.chance.choices(list(weights), list(weights.values()))
        return change

    def _operation(self, change: Change, verb: Verb) -> Operation:
        if verb is Verb.DELETE:
            return Operation(verb=verb)
        return Operation(
            verb=verb,
            spec=Spec(
                description=f"d{self.history.moments.next()}",
                allowed=self._allowed(change),
                label="",
            ),
            value=self.history.new_value() if verb in {Verb.CREATE, Verb.UPDATE} else "",
        )

    def _allowed(self, change: Change) -> bool:
        if change is Change.UPDATE and self.state.live is not None:
            return self.state.live.spec.allowed is True
        return change is not Change.REMOVE


def _is_done(written: Operation) -> bool:
    return written.answer is Answer.DONE


def _told(operation: Operation) -> str:
    return described(Call(operation, 0, 1))
