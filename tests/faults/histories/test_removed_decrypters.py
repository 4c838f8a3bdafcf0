"""Who is taken off an allow-list stays off it, whatever else is changed at the same time.

A label's patch names no resource version, so the gateway reads, changes and writes the whole
object, and does so again when another writer came first: each time on the object as it then is.
"""

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.histories.callers import Caller, callers_of
from tests.faults.histories.history import History, Moments, violations
from tests.faults.histories.model import Answer, Operation, Spec, Verb
from tests.faults.histories.replicated_stack import ReplicatedStack

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUNDS = 15
LABELLERS = 5
SEED = 1
REMOVALS = (Verb.EDIT, Verb.PATCH, Verb.UPDATE)
# A patch that was overtaken five times; a machine that is too busy.
AGAIN = (Answer.CONFLICT, Answer.UNKNOWN)


class Round:
    """One name from its creation to the removal of its only decrypter."""

    def __init__(self, number: int, callers: Sequence[Caller]) -> None:
        self.history = History(f"removed-{uuid4().hex[:8]}", Moments())
        self.callers = callers
        self.chance = random.Random(number)
        self.removal = REMOVALS[number % len(REMOVALS)]

    async def run(self) -> None:
        await self.create()
        labelling = [asyncio.create_task(self.label(n)) for n in range(1, LABELLERS + 1)]
        await self.remove()
        assert await self.decrypted() is Answer.NOT_AUTHORIZED
        await asyncio.gather(*labelling)
        assert await self.decrypted() is Answer.NOT_AUTHORIZED

    async def ask(self, caller: int, asked: Operation) -> Operation:
        client = self.callers[caller].client_for(asked.verb, self.chance)
        return await self.history.record(caller, asked, partial(client.ask, self.history))

    async def create(self) -> None:
        """The name exists: asked until somebody has said so."""
        answer = Answer.UNKNOWN
        while answer is Answer.UNKNOWN:
            asked = Operation(verb=Verb.CREATE, **self.granted(to_anybody=True))
            answer = (await self.ask(0, asked)).answer
        assert answer in {Answer.DONE, Answer.ALREADY_EXISTS}

    def granted(self, *, to_anybody: bool) -> dict[str, Any]:
        spec = Spec(f"d{self.history.moments.next()}", to_anybody, "first")
        return {"spec": spec, "value": self.history.new_value()}

    async def remove(self) -> None:
        """He is off the list: asked until somebody has said so."""
        answer = Answer.UNKNOWN
        while answer is not Answer.DONE:
            number = self.history.moments.next()
            description = None if self.removal is Verb.PATCH else f"d{number}"
            value = self.history.new_value() if self.removal is Verb.UPDATE else ""
            spec = Spec(description, allowed=False, label=f"l{number}")
            done = await self.ask(0, Operation(verb=self.removal, spec=spec, value=value))
            answer = done.answer
            assert answer in {Answer.DONE, *AGAIN}

    async def label(self, caller: int) -> None:
        for _ in range(2):
            spec = Spec(label=f"l{self.history.moments.next()}")
            done = await self.ask(caller, Operation(verb=Verb.PATCH, spec=spec))
            assert done.answer in {Answer.DONE, *AGAIN}

    async def decrypted(self) -> Answer:
        answer = Answer.UNKNOWN
        while answer is Answer.UNKNOWN:
            answer = (await self.ask(0, Operation(verb=Verb.DECRYPT))).answer
        return answer

    def labelled(self) -> set[bool]:
        """Whether labels were written before, after the removal."""
        return {
            call.operation.shown.spec.allowed is True
            for call in self.history.calls
            if call.operation.verb is Verb.PATCH and call.operation.shown
        }


async def test_a_label_that_is_patched_beside_a_removal_never_grants_again(
    stack: ReplicatedStack,
) -> None:
    async with callers_of(stack, LABELLERS + 1, SEED) as callers:
        rounds = [Round(number, callers) for number in range(ROUNDS)]
        for each in rounds:
            await each.run()

    assert violations(each.history for each in rounds) == []
    # They did meet: in one and the same round labels came before the removal, and after it.
    assert sum(each.labelled() == {True, False} for each in rounds) >= ROUNDS // 4
