"""A removed decrypter, a new value and a delete take effect on the very next call, everywhere.

The same with ten thousand changes: python -m tests.bench.next_call.
"""

import os

import pytest

from tests.faults.histories.replicated_stack import ReplicatedStack
from tests.faults.histories.under_load import changed_under_load

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHANGES = 120
SEED = int(os.environ.get("SPLITKEEP_TEST_SEED", "3"))
# Planted in both vaults. A fault shows itself within some dozens; at the first, the run ends.
FAULTS = ("joined_batch", "remembered_resolve")
CHANGES_AT_MOST = 1_500


async def test_what_was_acknowledged_is_what_the_next_decrypt_shows_at_any_replica_under_load(
    stack: ReplicatedStack,
) -> None:
    print(f"seed {SEED}; SPLITKEEP_TEST_SEED takes another")

    found, background = await changed_under_load(stack, CHANGES, SEED, "next-call")

    print(found, background.answered, background.failed, sep="\n")
    assert found.astray == []
    assert found.acknowledged.total() == CHANGES
    assert set(background.answered) == {"vault-a", "vault-b"}  # it was under load


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_decision_from_before_the_acknowledgement_is_found_out(
    faulty_stack: ReplicatedStack, fault: str
) -> None:
    prefix = fault.replace("_", "-")
    async with faulty_stack.replaced("vault", f"tests.faults.histories.mutants.{fault}"):
        found, _ = await changed_under_load(
            faulty_stack, CHANGES_AT_MOST, SEED, prefix, until_stale=True
        )

    print(f"after {found.acknowledged.total()} changes:", *found.astray, sep="\n")
    assert found.stale.total() > 0
