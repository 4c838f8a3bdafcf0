"""What a benchmark found: a table, and the promises that its figures keep or break.

Figures are kept as they were measured; rounding is for whoever shows them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Cell = str | int | float | None

# The heading of a column that counts calls which went wrong: anything but 0 is a failed run.
NOT_OK = "not OK"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a benchmark takes: rows in the tables, rounds, seconds a case, names to decrypt.

    A quick one shows that everything works and judges nothing.
    """

    rows: int
    rounds: int
    seconds: float
    quick: bool = False
    secrets: int = 1_000


FULL = Effort(rows=100_000, rounds=5, seconds=1.5)
QUICK = Effort(rows=1_000, rounds=1, seconds=0.3, quick=True, secrets=100)


class Bound(StrEnum):
    """On which side of its limit a figure has to stay."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure that was promised, and what was measured."""

    what: str
    bound: Bound
    limit: float
    measured: float

    @property
    def kept(self) -> bool:
        """Whether it holds, the limit included."""
        if self.bound is Bound.AT_LEAST:
            return self.measured >= self.limit
        return self.measured <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One subject: `name` is for programs, `title` for people; notes stand below."""

    name: str
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    promises: Sequence[Promise] = field(default_factory=tuple)
