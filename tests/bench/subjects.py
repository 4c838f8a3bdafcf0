"""Everything that is measured, in the order of the page. A new subject is one line."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench import (
    accept_modes,
    batch,
    cold_start,
    floors,
    growth,
    hop,
    mixed,
    next_call,
    openbao,
    ordered_pages,
    overload,
    pages,
    pinned,
    postgres_select,
    resident,
    rest,
    single,
    stages,
    whole_list,
)
from tests.bench.bench import Bench
from tests.bench.tables import Table


@dataclass(frozen=True, slots=True)
class Subject:
    """What `--only` calls it, and what measures it: the table bears the same name."""

    name: str
    measure: Callable[[Bench], Awaitable[Table]]


SUBJECTS = (
    Subject("single", single.measure),
    Subject("batch", batch.measure),
    Subject("mixed", mixed.measure),
    Subject("rest", rest.measure),
    Subject("select", postgres_select.measure),
    Subject("pages", lambda bench: pages.measure(bench.stack, bench.effort)),
    Subject("ordered_pages", ordered_pages.measure),
    Subject("list", lambda bench: whole_list.measure(bench.stack, bench.effort)),
    Subject("stages", stages.measure),
    Subject("pinned", pinned.measure),
    Subject("growth", growth.measure),
    Subject("cold_start", cold_start.measure),
    Subject("next_call", lambda bench: next_call.measure(bench.effort)),
    Subject("overload", overload.measure),
    Subject("resident", resident.measure),
    Subject("openbao", openbao.measure),
    Subject("hop", lambda bench: hop.measure(bench.stack, bench.effort)),
    Subject("accept_modes", accept_modes.measure),
    Subject("floors", lambda bench: floors.measure(bench.stack, bench.effort)),
)
NAMES = tuple(subject.name for subject in SUBJECTS)
