"""How much memory processes hold while something runs (Linux: /proc), and which they are."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.01
KIB_PER_MIB = 1024


def resident_mib(pid: int) -> float:
    """The process's resident set. Raises OSError if there is no such process, or no /proc."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / KIB_PER_MIB


def children(pid: int) -> list[int]:
    """The processes that this one has started; none where there is no /proc."""
    return [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if _parent(stat) == pid
    ]


def _parent(stat: Path) -> int:
    try:
        fields = stat.read_text().rpartition(")")[2].split()  # a name may hold anything
    except OSError:  # it has ended meanwhile
        return 0
    return int(fields[1])


@dataclass(frozen=True, slots=True)
class Watch:
    """Samples by process; `mark` says when the work had warmed up."""

    pids: Mapping[str, int]
    samples: dict[str, list[float]] = field(default_factory=dict)
    warm: dict[str, float] = field(default_factory=dict)

    def sample(self) -> None:
        for name, pid in self.pids.items():
            self.samples.setdefault(name, []).append(resident_mib(pid))

    def mark(self) -> None:
        self.sample()
        self.warm.update({name: samples[-1] for name, samples in self.samples.items()})

    def before(self, name: str) -> float:
        return self.samples[name][0]

    def after(self, name: str) -> float:
        return self.samples[name][-1]

    def peak(self, name: str) -> float:
        return max(self.samples[name])

    def grown(self, name: str) -> float:
        """By how much the peak passes what was held when warm."""
        return self.peak(name) - self.warm[name]


@asynccontextmanager
async def watched(pids: Mapping[str, int]) -> AsyncIterator[Watch]:
    """Samples a hundred times a second for the length of the block."""
    watch = Watch(pids)
    watch.sample()
    sampling = asyncio.create_task(_sample(watch))
    try:
        yield watch
    finally:
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling
        watch.sample()


async def _sample(watch: Watch) -> None:
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        watch.sample()
