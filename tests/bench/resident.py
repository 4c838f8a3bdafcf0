"""How much memory every process of the stack holds, before a load and after (Linux: /proc)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.counting import Sample
from tests.bench.memory import KIB_PER_MIB, children, resident_mib
from tests.bench.tables import NOT_OK, Bound, Cell, Promise, Table

NAME = "resident"
LIMIT_MIB = 150
SERVICES = ("vault", "metadata", "gateway")
SUPERVISOR = "supervisor"
# Singles and batches, as large as they may be.
SINGLES_IN_FLIGHT, BATCHES_IN_FLIGHT, NAMES = 64, 8, 1_000
HEADINGS = ("process", "before MiB", "after MiB", "its own MiB", "peak MiB", NOT_OK)
NOTES = (
    (
        f"The load: decrypts of one name, {SINGLES_IN_FLIGHT} in flight, then of {NAMES} "
        f"names, {BATCHES_IN_FLIGHT} in flight, beside whatever the stack was asked before."
    ),
    (
        "Before and after: the resident set; its own: what of it no other process shares; "
        "peak: the largest resident set since the process began."
    ),
)


@dataclass(frozen=True, slots=True)
class Process:
    """One of the stack's; a supervisor answers no call."""

    name: str
    pid: int
    serves: bool = True


async def measure(bench: Bench) -> Table:
    processes = [process for name in SERVICES for process in _of(bench, name)]
    before = {process.pid: resident_mib(process.pid) for process in processes}
    samples = await _load(bench)
    after = {process.pid: resident_mib(process.pid) for process in processes}
    rows = [_row(process, before[process.pid], after[process.pid]) for process in processes]
    all_not_ok = sum(sample.not_ok for sample in samples)
    return Table(
        name=NAME,
        title="Memory of each process",
        headings=HEADINGS,
        rows=[*rows, ("the load", None, None, None, None, all_not_ok)],
        notes=NOTES,
        promises=[
            Promise(
                "MiB resident after the load, in the largest process that serves",
                Bound.AT_MOST,
                LIMIT_MIB,
                max(after[process.pid] for process in processes if process.serves),
            )
        ],
    )


def _of(bench: Bench, name: str) -> Iterator[Process]:
    main = bench.stack.pids[name]
    workers = children(main)
    if not workers:
        yield Process(name, main)
        return
    yield Process(f"{name}, {SUPERVISOR}", main, serves=False)
    for number, pid in enumerate(workers):
        yield Process(f"{name}, worker {number}", pid)


async def _load(bench: Bench) -> list[Sample]:
    seconds, names = bench.effort.seconds, min(NAMES, len(bench.names))
    single = bench.decrypting(in_flight=SINGLES_IN_FLIGHT, seconds=seconds)
    batch = bench.decrypting(names=names, in_flight=BATCHES_IN_FLIGHT, seconds=seconds)
    return [await bench.decrypt(single), await bench.decrypt(batch, names=names)]


def _row(process: Process, before: float, after: float) -> list[Cell]:
    own, peak = _own_mib(process.pid), _peak_mib(process.pid)
    return [process.name, before, after, own, peak, None]


def _own_mib(pid: int) -> float:
    """What the process shares with no other. Raises OSError."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = (line for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))
    return sum(int(line.split()[1]) for line in private) / KIB_PER_MIB


def _peak_mib(pid: int) -> float:
    """The largest resident set that the process has had. Raises OSError."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / KIB_PER_MIB
