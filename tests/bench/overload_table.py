"""What overload showed, as a table: see tests/bench/overload.py for how it was made."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.bystanders import OK, REFUSED, Bystanders
from tests.bench.memory import Watch
from tests.bench.requests import DECRYPT
from tests.bench.statuses import Counts
from tests.bench.tables import Bound, Cell, Promise, Table

NAME = "overload"
TIMES_IN_FLIGHT, TIMES_RATE = 4, 1.25
SETTLED_SECONDS = 2.0
CLOSED, OPEN = "closed loop", "open loop"
HEADINGS = (
    *("load", "in flight", "offered/s", "OK/s", "x peak", "refused/s", "other/s"),
    *("refused p99 ms", "polite OK/s", "polite OK", "x peak after"),
)
# Promised.
GOODPUT = {CLOSED: 0.85, OPEN: 0.60}
REFUSED_P99_MS, POLITE_OK, AFTER, RESIDENT_MIB = 250, 0.95, 0.9, 150


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a load."""

    seconds: float
    offered: int
    counts: Counts

    def a_second(self, code: str) -> float:
        return self.counts.calls[DECRYPT, code] / self.seconds

    @property
    def others_a_second(self) -> float:
        """Neither answered, nor refused, nor cut off by the end of the load."""
        named = ("OK", "RESOURCE_EXHAUSTED", "CANCELLED")
        counted = sum(self.counts.calls[DECRYPT, code] for code in named)
        return (self.counts.served(DECRYPT) - counted) / self.seconds


@dataclass(frozen=True, slots=True)
class Peak:
    """Where most calls were answered, and the OKs a second of each number in flight."""

    in_flight: int
    speeds: dict[int, float]

    @property
    def speed(self) -> float:
        return self.speeds[self.in_flight]


@dataclass(frozen=True, slots=True)
class Overload:
    """One overload, those beside it, and the speed of the peak's own load afterwards."""

    label: str
    in_flight: int | None
    answered: Answered
    beside: Bystanders
    after: float


def tabulated(peak: Peak, overloads: Sequence[Overload], memory: Watch) -> Table:
    """The peak's rows, those of each overload, and what was promised of them."""
    blank = (None,) * 6
    rows: list[Sequence[Cell]] = [
        (CLOSED, in_flight, None, speed, speed / peak.speed, *blank)
        for in_flight, speed in peak.speeds.items()
    ]
    held = [
        Promise(f"MiB of {name}, overloaded", Bound.AT_MOST, RESIDENT_MIB, memory.peak(name))
        for name in memory.pids
    ]
    return Table(
        name=NAME,
        title="More than it can do",
        headings=HEADINGS,
        rows=[*rows, *(_row(peak, overload) for overload in overloads)],
        notes=_notes(peak, memory),
        promises=[*(p for overload in overloads for p in _promises(overload, peak)), *held],
    )


def _row(peak: Peak, overload: Overload) -> Sequence[Cell]:
    answered, polite = overload.answered, overload.beside.polite
    return (
        overload.label,
        overload.in_flight,
        answered.offered / answered.seconds,
        answered.a_second(OK.name),
        answered.a_second(OK.name) / peak.speed,
        answered.a_second(REFUSED.name),
        answered.others_a_second,
        overload.beside.probe.p99_ms(REFUSED),
        polite.count(OK) / answered.seconds,
        polite.share_ok,
        overload.after / peak.speed,
    )


def _notes(peak: Peak, memory: Watch) -> Sequence[str]:
    held = ", ".join(
        f"{name} {memory.before(name):.0f} / {memory.peak(name):.0f} / {memory.after(name):.0f}"
        for name in memory.pids
    )
    return (
        (
            f"The peak is at {peak.in_flight} in flight. Then {TIMES_IN_FLIGHT} times as many "
            f"in a closed loop, and {TIMES_RATE} times its speed in an open one."
        ),
        "OK/s are the server's, those to the light clients beside the load included.",
        f"MiB before, at most and after: {held}.",
    )


def _promises(overload: Overload, peak: Peak) -> list[Promise]:
    label, answered, beside = overload.label, overload.answered, overload.beside
    goodput = answered.a_second(OK.name)
    least, after = Bound.AT_LEAST, overload.after / peak.speed
    refused = beside.probe.p99_ms(REFUSED)
    polite = beside.polite.share_ok
    found = [
        Promise(f"{label}: OK/s, x peak", least, GOODPUT[label], goodput / peak.speed),
        Promise(f"{label}: p99 ms of refusals", Bound.AT_MOST, REFUSED_P99_MS, refused),
        Promise(f"{label}: polite calls that were OK", least, POLITE_OK, polite),
        Promise(f"{label}: OK/s {SETTLED_SECONDS:.0f} s after, x peak", least, AFTER, after),
    ]
    if overload.in_flight is not None:
        fair = goodput / overload.in_flight
        share = beside.polite.count(OK) / answered.seconds / fair
        what = f"{label}: polite OK/s, x what one place in flight gets"
        found.append(Promise(what, least, 1, share))
    return found
