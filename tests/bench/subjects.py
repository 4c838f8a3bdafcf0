"""Everything that is measured, in the order of the page. A new subject is one line."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench import floors, mixed, single
from tests.bench.bench import Bench
from tests.bench.tables import Table


@dataclass(frozen=True, slots=True)
class Subject:
    """What `--only` calls it, and what measures it: the table bears the same name."""

    name: str
    measure: Callable[[Bench], Awaitable[Table]]


SUBJECTS = (
    Subject("single", single.measure),
    Subject("mixed", mixed.measure),
    Subject("floors", lambda bench: floors.measure(bench.stack, bench.effort)),
)
NAMES = tuple(subject.name for subject in SUBJECTS)
