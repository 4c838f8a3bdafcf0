"""Confines this process and all that descend from it to some processors (Linux).

Stacks of a subject's own, controls and tools that make load all descend from it.
"""

import os
import re
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.bench.running import TICKS_PER_SECOND, cpu_seconds

PROC = Path("/proc")
NANOSECONDS = 1_000_000_000


def usable() -> int:
    """How many processors there are to be confined to."""
    return len(os.sched_getaffinity(0))


@contextmanager
def confined_to(count: int) -> Iterator[Sequence[int]]:
    """Meanwhile all their threads, and what they start, run on so many processors: these."""
    given = sorted(os.sched_getaffinity(0))
    _confine(given[:count])
    try:
        yield given[:count]
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
    """Up to a moment, in seconds: what the family used, and how long each processor idled."""

    at: float
    used: float  # those of the family that have ended are counted too
    idle: Mapping[int, float]
    loops: Mapping[int, float]  # what the event loop of each process asked about used

    @classmethod
    def now(cls, event_loops: Sequence[int] = ()) -> Self:
        """`event_loops` are processes each of whose first threads runs one."""
        used = 0.0
        for pid in family():
            with suppress(OSError):
                used += cpu_seconds(pid)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        used += ended.ru_utime + ended.ru_stime
        loops = {pid: _first_thread_seconds(pid) for pid in event_loops}
        return cls(time.monotonic(), used, _idle_seconds(), loops)

    def shares_since(self, processors: Sequence[int]) -> tuple[float, float, float]:
        """Since then: how much of these the family used, and how much of them was idle.

        Last, how much of one processor the busiest event loop used.
        """
        now = self.now([*self.loops])
        seconds = now.at - self.at
        given = seconds * len(processors)
        idle = sum(now.idle[number] - self.idle[number] for number in processors)
        busiest = max((now.loops[pid] - self.loops[pid] for pid in now.loops), default=0)
        return (now.used - self.used) / given, idle / given, busiest / seconds


def _first_thread_seconds(pid: int) -> float:
    ran = (PROC / str(pid) / "task" / str(pid) / "schedstat").read_text().split()[0]
    return int(ran) / NANOSECONDS


def _idle_seconds() -> dict[int, float]:
    lines = (PROC / "stat").read_text().splitlines()
    fields = [line.split() for line in lines if re.match("cpu[0-9]", line)]
    return {
        int(name.removeprefix("cpu")): (int(idle) + int(waiting)) / TICKS_PER_SECOND
        for name, _, _, _, idle, waiting, *_ in fields
    }
