"""Where each microsecond of a decrypt goes.

- What every process spends on a call is read from the kernel, thread by thread, under load.
- What each stage costs by itself is measured on the services' own objects
  (tests/bench/stage_costs.py).
- What gRPC and the event loop cost at the client's port is the control's, less its own stages.
- The rest, gRPC and the event loop at both ends of the hop, is what is left over.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.bench import Bench
from tests.bench.running import ROOT
from tests.bench.stage_load import (
    CONTROL,
    MAIN,
    OTHERS,
    Run,
    decrypting,
    empty,
    postgres_of,
)
from tests.bench.tables import NOT_OK, Cell, Table

NAME = "stages"
SPLIT = 2  # there are many cases
SECONDS, QUICK_SECONDS = 0.03, 0.001  # of each stage by itself
VAULT, METADATA, POSTGRES = "vault", "metadata", "Postgres"


@dataclass(frozen=True, slots=True)
class Case:
    """So many names a call, so many calls in flight."""

    names: int
    in_flight: int
    said: str


CASES = (
    Case(1, 1, "1 in flight"),
    Case(1, 32, "32 in flight"),
    Case(100, 8, "100 names"),
)
HEADINGS = (
    *("where", "stage"),
    *(heading for case in CASES for heading in (f"{case.said}: us", "%")),
    NOT_OK,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one case, in microseconds: medians under load, and each stage by itself."""

    loaded: Sequence[Run]
    control: Sequence[Run]
    alone: Mapping[str, float]

    def spent(self, process: str, thread: str) -> float:
        """What a call takes of the process under load."""
        return median(run.spent.get((process, thread), 0) for run in self.loaded)

    def whole(self, process: str) -> float:
        return self.spent(process, MAIN) + self.spent(process, OTHERS)

    @property
    def calls_a_batch(self) -> float:
        return median(run.calls_a_batch for run in self.loaded)

    def of_batch(self, stage: str) -> float:
        """A call's share of what is done once for a batch."""
        return self.alone[stage] / max(1, round(self.calls_a_batch))

    @property
    def port(self) -> float:
        """gRPC, TLS and event loop for a call that arrives, as the control has it."""
        control = median(
            sum(run.spent.get((CONTROL, thread), 0) for thread in (MAIN, OTHERS))
            for run in self.control
        )
        return control - self.alone["call"]

    @property
    def not_ok(self) -> int:
        return sum(run.not_ok for run in (*self.loaded, *self.control))


Stage = tuple[str, str, Callable[[Figures], float]]

# What can be measured by itself; what is left of a process comes after its stages.
IN_VAULT: tuple[Stage, ...] = (
    (VAULT, "client port: gRPC, TLS, event loop", lambda f: f.port),
    (VAULT, "id, admission, deadline", lambda f: f.alone["call"] - f.alone["token"]),
    (VAULT, "token", lambda f: f.alone["token"]),
    (VAULT, "request read", lambda f: f.alone["request"]),
    (VAULT, "right decided, names in order", lambda f: f.alone["right"]),
    (
        VAULT,
        "waiting for the batch, made and taken apart",
        lambda f: f.of_batch("readings") - f.of_batch("tasks"),
    ),
    (VAULT, "hop: messages", lambda f: f.of_batch("messages")),
    (VAULT, "query, this side", lambda f: f.of_batch("vault's query")),
    (VAULT, "opening: AES-256-GCM, twice a name", lambda f: f.alone["ciphers"]),
    (VAULT, "opening: all else", lambda f: f.alone["opening"] - f.alone["ciphers"]),
    (VAULT, "answer made", lambda f: f.alone["answer"]),
    (VAULT, "log line", lambda f: f.alone["record"]),
)
IN_METADATA: tuple[Stage, ...] = (
    (
        METADATA,
        "id, admission, deadline, peer",
        lambda f: f.of_batch("peer's call"),
    ),
    (METADATA, "messages and decisions", lambda f: f.of_batch("decisions")),
    (METADATA, "query, this side", lambda f: f.of_batch("metadata's query")),
)
REST = "hop: gRPC, TLS, event loop, and the rest"
STAGES: tuple[Stage, ...] = (
    *IN_VAULT,
    (VAULT, REST, lambda f: f.whole(VAULT) - _sum(IN_VAULT, f)),
    *IN_METADATA,
    (METADATA, REST, lambda f: f.whole(METADATA) - _sum(IN_METADATA, f)),
    (POSTGRES, "metadata's statement", lambda f: f.whole(postgres_of(METADATA))),
    (POSTGRES, "the vault's statement", lambda f: f.whole(postgres_of(VAULT))),
)
# Parts of what is above, so they are no part of the sum.
OF_THESE: tuple[Stage, ...] = (
    ("of these", "counters", lambda f: f.alone["counters"]),
    ("of these", "the vault's threads of gRPC", lambda f: f.spent(VAULT, OTHERS)),
    ("of these", "metadata's threads of gRPC", lambda f: f.spent(METADATA, OTHERS)),
)


def _sum(stages: Sequence[Stage], figures: Figures) -> float:
    return sum(cost(figures) for _, _, cost in stages)


async def measure(bench: Bench) -> Table:
    loaded: dict[Case, list[Run]] = {case: [] for case in CASES}
    control: dict[Case, list[Run]] = {case: [] for case in CASES}
    seconds = bench.effort.seconds / SPLIT
    for case in CASES:  # every backend that a case needs is there when it is measured
        await decrypting(bench, case.names, case.in_flight, seconds)
    for _ in range(bench.effort.rounds):
        for case in CASES:
            control[case].append(await empty(bench, case.in_flight, seconds))
            loaded[case].append(await decrypting(bench, case.names, case.in_flight, seconds))
    batches = [median(run.calls_a_batch for run in loaded[case]) for case in CASES]
    alone = await _alone(bench, batches)
    return _table(
        [Figures(loaded[c], control[c], a) for c, a in zip(CASES, alone, strict=True)]
    )


async def _alone(bench: Bench, batches: Sequence[float]) -> list[dict[str, float]]:
    """Each stage of each case by itself. Raises RuntimeError."""
    stack = bench.stack
    told = {
        "metadata": stack.metadata_dsn.reveal(),
        "vault": stack.vault_dsn.reveal(),
        "keks": str(stack.state.kek_file),
        "issuers": str(stack.state.issuer_directory / "issuers.json"),
        "token": stack.decrypter.reveal(),
        "seconds": QUICK_SECONDS if bench.effort.quick else SECONDS,
        "cases": [
            (max(1, round(calls)), case.names)
            for calls, case in zip(batches, CASES, strict=True)
        ],
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.stage_costs"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    # By a line: arguments and environment can be read from the process table.
    answer, _ = await process.communicate(json.dumps(told).encode() + b"\n")
    if process.returncode != 0:
        raise RuntimeError("the stages could not be measured; why is above")
    found: list[dict[str, float]] = json.loads(answer)
    return found


def _table(figures: Sequence[Figures]) -> Table:
    sums = [_sum(STAGES, one) for one in figures]
    whole: Stage = ("all", "", lambda f: _sum(STAGES, f))
    return Table(
        name=NAME,
        title="Where each microsecond goes",
        headings=HEADINGS,
        rows=[
            *(_row(stage, figures, sums, None) for stage in STAGES),
            _row(whole, figures, sums, sum(one.not_ok for one in figures)),
            *(_row(stage, figures, sums, None) for stage in OF_THESE),
        ],
        notes=_notes(figures),
    )


def _row(
    stage: Stage, figures: Sequence[Figures], sums: Sequence[float], not_ok: int | None
) -> list[Cell]:
    where, what, cost = stage
    row: list[Cell] = [where, what]
    for one, whole in zip(figures, sums, strict=True):
        spent = cost(one)
        row += [spent, spent / whole * 100]
    return [*row, not_ok]


def _notes(figures: Sequence[Figures]) -> tuple[str, ...]:
    batches = ", ".join(f"{one.calls_a_batch:.1f}" for one in figures)
    return (
        (
            "Microseconds of processor time for one call, without the tool that makes it. The "
            "sum and what each process spends on a call are the kernel's figures under load."
        ),
        (
            "Stages are measured by themselves, in a loop that finds everything in the "
            "processor's caches: what they cost more under load is in the rest."
        ),
        (
            "The client port is an empty call's, less its stages; its answer is empty, so the "
            "rest holds what sending a large one costs more."
        ),
        f"Calls that shared a batch, a hop and two statements: {batches}.",
        "Batches: 100 names a call, 8 calls in flight.",
    )
