"""Ten thousand changes, each followed by a decrypt through any replica: none may be stale.

Two replicas of each service on the same two databases, all of them kept busy with decrypts; see
tests/faults/histories/next_call.py for what is changed, and what counts as stale.

    .venv/bin/python -m tests.bench.next_call            ten thousand
    .venv/bin/python -m tests.bench.next_call --quick    a few, to see that it works
    .venv/bin/python -m tests.bench.next_call --seed 7   others
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.report import table
from tests.bench.tables import FULL, QUICK, Bound, Cell, Effort, Promise, Table
from tests.faults.histories.background import Background
from tests.faults.histories.next_call import Change, Found
from tests.faults.histories.replicated_stack import ReplicatedStack
from tests.faults.histories.under_load import changed_under_load
from tests.faults.system.proxied_stack import running_stack

CHANGES, QUICK_CHANGES = 10_000, 60
SEED = 3


@dataclass(slots=True, kw_only=True, repr=False)
class DirectStack(ReplicatedStack):
    """Proxies only between the vaults and metadata, where answers can be held up."""

    async def _line(self, name: str, port: str) -> int:
        if port.startswith("metadata_peer"):
            return await ReplicatedStack._line(self, name, port)
        return self.ports[port]


async def measure(effort: Effort, seed: int = SEED) -> Table:
    """The table; the stack is its own, and nothing of it is left."""
    count = QUICK_CHANGES if effort.quick else CHANGES
    with tempfile.TemporaryDirectory(prefix="splitkeep-next-call-") as folder:
        async with running_stack(DirectStack, Path(folder) / "state") as stack:
            began = time.monotonic()
            found, background = await changed_under_load(stack, count, seed, "next-call")
            seconds = time.monotonic() - began
    return _table(found, background, seconds, seed)


def _table(found: Found, background: Background, seconds: float, seed: int) -> Table:
    stale, acknowledged = found.stale.total(), found.acknowledged.total()
    rows: list[Sequence[Cell]] = [
        (change, found.acknowledged[change], found.stale[change]) for change in Change
    ]
    return Table(
        name="next_call",
        title="The next call after a change, two replicas of each service under full load",
        headings=("change", "acknowledged", "stale answers"),
        rows=(*rows, ("all", acknowledged, stale)),
        notes=(_load(found, background, seconds, seed), _overtaken(found), *found.astray),
        promises=(
            Promise("stale answers", Bound.AT_MOST, 0, stale),
            Promise(
                "decrypts sent before that answer from neither side",
                Bound.AT_MOST,
                0,
                found.overtaken["neither"],
            ),
        ),
    )


def _load(found: Found, background: Background, seconds: float, seed: int) -> str:
    changes = found.acknowledged.total() / seconds
    decrypts = background.answered.total() / seconds
    return (
        f"Seed {seed}; {changes:.0f} changes/s beside {decrypts:.0f} decrypts/s in the "
        f"background, of which {background.failed.total()} failed."
    )


def _overtaken(found: Found) -> str:
    counted = found.overtaken
    return (
        f"Of the decrypts sent before an acknowledgement {counted['before']} answered from "
        f"before the change, {counted['after']} from after it, and {counted['neither']} from "
        "neither."
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.next_call")
    parser.add_argument("--quick", action="store_true", help="a few changes only")
    parser.add_argument("--seed", type=int, default=SEED, help="what chance decides")
    asked = parser.parse_args(arguments)
    found = asyncio.run(measure(QUICK if asked.quick else FULL, asked.seed))
    print(table([found.headings, *(tuple(map(str, row)) for row in found.rows)]))
    print(*found.notes, sep="\n")
    return 0 if all(promise.kept for promise in found.promises) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
