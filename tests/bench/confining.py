"""Confines this process and all that descend from it to some processors (Linux).

Stacks of a subject's own, controls and tools that make load all descend from it.
"""

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.bench.running import cpu_seconds

PROC = Path("/proc")


def usable() -> int:
    """How many processors there are to be confined to."""
    return len(os.sched_getaffinity(0))


@contextmanager
def confined_to(count: int) -> Iterator[None]:
    """Meanwhile every thread of them, and what they start, runs on so many processors."""
    given = sorted(os.sched_getaffinity(0))
    _confine(given[:count])
    try:
        yield
    finally:
        _confine(given)


def _confine(processors: Sequence[int]) -> None:
    for pid in family():
        for thread in _listed(PROC / str(pid) / "task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), processors)


def family() -> list[int]:
    """This process and all that descend from it."""
    found = [os.getpid()]
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, _listed(PROC)):
        with suppress(OSError):
            children.setdefault(_parent(int(name)), []).append(int(name))
    for pid in found:  # it grows meanwhile
        found += children.get(pid, ())
    return found


def _parent(pid: int) -> int:
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def _listed(folder: Path) -> list[str]:
    """What is in the folder; nothing if it is gone."""
    with suppress(OSError):
        return [entry.name for entry in folder.iterdir()]
    return []


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time of the family up to a moment, in seconds; the ended are counted too."""

    at: float
    used: float

    @classmethod
    def now(cls) -> Self:
        used = 0.0
        for pid in family():
            with suppress(OSError):
                used += cpu_seconds(pid)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(time.monotonic(), used + ended.ru_utime + ended.ru_stime)

    def share_since(self, processors: int) -> float:
        """How much of so many processors was used since then."""
        now = self.now()
        return (now.used - self.used) / ((now.at - self.at) * processors)
