"""Eight callers at two replicas of each service, to which everything happens at once.

Each name's history has to be linearizable: there is an order of its calls, each between its
question and its answer, in which one secure value used by one caller answers just so. What was
decrypted is among the answers.

The seed decides what is asked and what befalls whom; what overlaps what is up to the machine.
"""

import os
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.histories.callers import callers_of
from tests.faults.histories.history import violations
from tests.faults.histories.misfortunes import Misfortunes
from tests.faults.histories.model import Answer, Verb
from tests.faults.histories.replicated_stack import ReplicatedStack
from tests.faults.histories.workload import Workload
from tests.faults.system import callers as system
from tests.faults.system.checker import GAPS, SELECTED, STALE_HISTORY

pytestmark = pytest.mark.asyncio(loop_scope="session")

HISTORIES = 500
CALLERS = 8
SEED = int(os.environ.get("SPLITKEEP_TEST_SEED", "3"))

Told = Callable[[str, object], None]


@pytest.mark.slow
@pytest.mark.timeout(1500)  # of a machine that has other things to do
async def test_what_callers_see_of_the_replicas_is_linearizable_whatever_befalls_them(
    stack: ReplicatedStack, record_property: Told
) -> None:
    print(f"seed {SEED}; SPLITKEEP_TEST_SEED takes another")
    misfortunes = Misfortunes(stack, SEED)
    async with callers_of(stack, CALLERS, SEED) as callers:
        workload = Workload("history", SEED, callers)
        async with misfortunes.befalling():
            await workload.run(HISTORIES)

    counted = _counted(workload) | misfortunes.counted
    for what, number in counted.items():
        record_property(what, number)
    print(dict(counted))
    assert violations(workload.histories) == []
    assert _too_few(counted) == {}
    await _assert_both_databases_agree(stack)


def _counted(workload: Workload) -> Counter[str]:
    counted = Counter({"histories": len(workload.histories)})
    for history in workload.histories:
        done = [call.operation for call in history.calls]
        counted["calls"] += len(done)
        counted.update(str(operation.answer) for operation in done)
        counted.update(
            f"{operation.verb} done" for operation in done if operation.answer is Answer.DONE
        )
        counted["histories with a call without an answer"] += any(
            not call.answered for call in history.calls
        )
    return counted


AT_LEAST: dict[str, int] = {
    "histories": HISTORIES,
    "calls": 8_000,
    "kills": 4,
    "cuts": 30,
    "pauses": 6,
    "histories with a call without an answer": 40,
    Answer.UNKNOWN: 50,
    Answer.CONFLICT: 50,
    Answer.NOT_AUTHORIZED: 100,
    Answer.NOT_FOUND: 100,
    Answer.ALREADY_EXISTS: 100,
    **{f"{verb} done": 50 for verb in Verb},
}


def _too_few(counted: Counter[str]) -> dict[str, int]:
    return {what: counted[what] for what, least in AT_LEAST.items() if counted[what] < least}


async def _assert_both_databases_agree(stack: ReplicatedStack) -> None:
    """The sweeper erases what was left behind; metadata's history tells what happened."""
    async with system.callers_of(stack) as operator:
        await operator.swept()
        for promise in (GAPS, STALE_HISTORY, SELECTED):
            assert await operator.rows("metadata", promise) == []
