"""The table: medians over the rounds, and each round's ratio to that round's control."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

from tests.bench.cases import Case, Sample

CONTROL = "control"
HEADINGS = (
    *("case", "in flight", "requests/s", "secrets/s"),
    *("p50 ms", "p99 ms", "CPU ms", "x control", "not OK"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case over all rounds.

    `to_control` is None where there is no control like it, `cpu_ms` where cases share it.
    """

    case: str
    in_flight: int
    requests_per_second: float
    secrets_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None
    to_control: float | None
    not_ok: int

    def cells(self) -> tuple[str, ...]:
        secrets = f"{self.secrets_per_second:.0f}" if self.secrets_per_second else "-"
        speed = f"{self.requests_per_second:.0f}"
        times = (f"{self.p50_ms:.1f}", f"{self.p99_ms:.1f}")
        ratios = ("-" if n is None else f"{n:.2f}" for n in (self.cpu_ms, self.to_control))
        return (
            *(self.case, str(self.in_flight), speed, secrets),
            *(*times, *ratios, str(self.not_ok)),
        )


def rows(rounds: Sequence[Sequence[Sample]]) -> list[Row]:
    """One row for each case, in the order they were run."""
    cases = [sample.case for sample in rounds[0]]
    return [_row(case, rounds) for case in cases]


def _row(case: Case, rounds: Sequence[Sequence[Sample]]) -> Row:
    samples = [sample for samples in rounds for sample in samples if sample.case == case]
    speed = median(sample.measurement.requests_per_second for sample in samples)
    return Row(
        case=case.label,
        in_flight=case.in_flight,
        requests_per_second=speed,
        secrets_per_second=speed * case.names,
        p50_ms=median(sample.measurement.p50_ms for sample in samples),
        p99_ms=median(sample.measurement.p99_ms for sample in samples),
        cpu_ms=None if case.paced else median(sample.cpu_ms for sample in samples),
        to_control=_to_control(case, rounds),
        not_ok=sum(sample.wrong for sample in samples),
    )


def _to_control(case: Case, rounds: Sequence[Sequence[Sample]]) -> float | None:
    """The median of the rounds' ratios: a case and its control share the machine."""
    if case.paced:
        return None
    ratios = []
    for samples in rounds:
        speeds = {sample.case: sample.measurement.requests_per_second for sample in samples}
        controls = [
            speed
            for other, speed in speeds.items()
            if other.label == CONTROL and other.in_flight == case.in_flight
        ]
        ratios += [speeds[case] / control for control in controls]
    return median(ratios) if ratios else None


def table(lines: Iterable[Sequence[str]]) -> str:
    """The lines under one another; the first column to the left, numbers to the right."""
    cells = [tuple(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def machine() -> str:
    """What the figures were measured on, in one line; a load above the CPUs is a warning."""
    return (
        f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}, {platform.system()}, "
        f"Python {platform.python_version()}, grpcio {version('grpcio')}"
    )


def as_json(found: Sequence[Row], driver: str) -> dict[str, Any]:
    """The same for programs."""
    return {"driver": driver, "machine": machine(), "rows": [asdict(row) for row in found]}
