"""Planted faults: what callers see of a faulty service is not linearizable."""

import pytest

from tests.faults.histories.callers import callers_of
from tests.faults.histories.history import violations
from tests.faults.histories.replicated_stack import ReplicatedStack
from tests.faults.histories.workload import Workload

pytestmark = pytest.mark.asyncio(loop_scope="session")

HISTORIES = 24
CALLERS = 8
FAULTS = {
    "unlocked_claim": "metadata",
    "remembered_decrypt": "vault",
    "unpinned_patch": "gateway",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_seen_in_the_histories(
    faulty_stack: ReplicatedStack, fault: str
) -> None:
    async with (
        faulty_stack.replaced(FAULTS[fault], f"tests.faults.histories.mutants.{fault}"),
        callers_of(faulty_stack, CALLERS, seed=1) as callers,
    ):
        workload = Workload(fault.replace("_", "-"), 1, callers)
        await workload.run(HISTORIES)

    found = violations(workload.histories)
    print(f"{len(found)} of {HISTORIES} histories, such as", *found[:1], sep="\n")
    assert found != []
