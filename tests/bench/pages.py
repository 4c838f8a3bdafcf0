"""Pages of a long list: do others cost more than the first, and does listing it take memory?

    .venv/bin/python -m tests.bench.pages                      a stack of its own
    .venv/bin/python -m tests.bench.pages --state .splitkeep   the stack that runs there

Seeds 100 000 secure values, then compares the first page of 500 by name with one at the end and
with those of selectors, over gRPC, and watches the gateway and metadata while all are listed
over REST. The exit code is 1 if the end costs more than 1.5 times the first page, a selector
more than 3 times, or if memory grows.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TypeAlias

import grpc

from chassis.grpc_client import call, open_channel
from protos.splitkeep.metadata.v1 import selector_pb2
from protos.splitkeep.metadata.v1.secure_values_pb2 import (
    ListSecureValuesRequest,
    ListSecureValuesResponse,
)
from protos.splitkeep.metadata.v1.secure_values_pb2_grpc import SecureValuesStub
from protos.splitkeep.metadata.v1.selector_pb2 import Selector
from tests.bench import report
from tests.bench.measuring import MILLISECONDS, percentile
from tests.bench.memory import Watch, watched
from tests.bench.seed import (
    KIND,
    LABEL,
    copy_rows,
    decrypter_name,
    filler_name,
    label_value,
    rest_client,
)
from tests.bench.under_test import (
    DECRYPTER,
    NAMESPACE,
    StackUnderTest,
    running_state,
    stack_under_test,
)

# A text at run time, where the class takes no parameters.
ListPage: TypeAlias = (
    "grpc.aio.UnaryUnaryMultiCallable[ListSecureValuesRequest, ListSecureValuesResponse]"
)

PAGE = 500
DEADLINE_SECONDS = 10
# One page of 500 takes about a megabyte on its way; all 100 000 would take hundreds.
MAXIMUM_GROWTH_MIB = 16
WARM_AFTER = 0.1  # of the list
PAGE_HEADINGS = ("page of 500", "rows", "p50 ms", "p99 ms", "x first", "at most")
MEMORY_HEADINGS = ("resident MiB", "before", "warm", "peak", "after", "grown")
FIRST, END = "the first", "the last"
IN, NOT_IN = selector_pb2.LABEL_OPERATOR_IN, selector_pb2.LABEL_OPERATOR_NOT_IN


@dataclass(frozen=True, slots=True)
class PageCase:
    """One page; how many times the first page's time it may take, and where it starts."""

    name: str
    at_most: float
    selector: Selector
    after: str = ""
    first: str = ""


def label(operator: selector_pb2.LabelOperator.ValueType, *values: str) -> Selector:
    requirement = selector_pb2.LabelRequirement(key=LABEL, operator=operator, values=values)
    return Selector(labels=[requirement])


def decrypter(value: str) -> Selector:
    field = selector_pb2.SELECTED_FIELD_DECRYPTER
    return Selector(fields=[selector_pb2.FieldRequirement(field=field, value=value)])


def page_cases(rows: int) -> list[PageCase]:
    """The first page comes first: every other is compared with it."""
    last, one, two = rows - PAGE, label_value(1), label_value(2)
    both = Selector(labels=label(IN, one).labels, fields=decrypter(decrypter_name(1)).fields)
    return [
        PageCase(FIRST, 1, Selector(), first=filler_name(0)),
        PageCase(END, 1.5, Selector(), filler_name(last - 1), filler_name(last)),
        PageCase("label =, 1 %", 3, label(IN, one), first=filler_name(1)),
        PageCase("label in, 2 %", 3, label(IN, one, two), first=filler_name(1)),
        PageCase("label !=, 99 %", 3, label(NOT_IN, one), first=filler_name(0)),
        PageCase("decrypter, all", 3, decrypter(DECRYPTER), first=filler_name(0)),
        PageCase("decrypter, 1 %", 3, decrypter(decrypter_name(1)), first=filler_name(1)),
        PageCase("label and decrypter, 1 %", 3, both, first=filler_name(1)),
        PageCase(
            "label =, 1 %, near its end",
            3,
            label(IN, one),
            filler_name(rows // 2),
            filler_name(rows // 2 + 1),
        ),
    ]


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rows there are and how often each page is asked for."""

    rows: int
    pairs: int


FULL = Effort(rows=100_000, pairs=200)
QUICK = Effort(rows=2_000, pairs=10)


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds that a page took, each time; all pages were asked for in turn."""

    case: PageCase
    rows: int
    seconds: list[float]

    def ratio(self, first: "Timed") -> float:
        """To the first page asked for beside it: pairs share the machine."""
        return median(
            mine / other for mine, other in zip(self.seconds, first.seconds, strict=True)
        )

    def cells(self, first: "Timed") -> tuple[str, ...]:
        ratio, limit = f"{self.ratio(first):.2f}", f"{self.case.at_most:g}"
        return (self.case.name, str(self.rows), *_times(self.seconds), ratio, limit)


@dataclass(frozen=True, slots=True)
class Held:
    """What a process held, in MiB: before, once warm, at most, and after."""

    process: str
    before: float
    warm: float
    peak: float
    after: float
    grown: float

    @classmethod
    def of(cls, name: str, watch: Watch) -> "Held":
        return cls(
            *(name, watch.before(name), watch.warm[name]),
            *(watch.peak(name), watch.after(name), watch.grown(name)),
        )

    def cells(self) -> tuple[str, ...]:
        numbers = (self.before, self.warm, self.peak, self.after, self.grown)
        return (self.process, *(f"{number:.1f}" for number in numbers))


async def time_pages(stack: StackUnderTest, effort: Effort) -> list[Timed]:
    """Every page, in turn and again. Raises RuntimeError if a page is wrong."""
    timed = [Timed(case, 0, []) for case in page_cases(effort.rows)]
    async with open_channel(stack.metadata, ca=stack.ca) as channel:
        list_page: ListPage = SecureValuesStub(channel).ListSecureValues
        for _ in range(effort.pairs):
            for number, entry in enumerate(timed):
                took, rows = await _page(list_page, stack, entry.case)
                entry.seconds.append(took)
                timed[number] = replace(entry, rows=rows)
    return timed


async def _page(
    list_page: ListPage, stack: StackUnderTest, case: PageCase
) -> tuple[float, int]:
    request = ListSecureValuesRequest(
        namespace=NAMESPACE, page_size=PAGE, after_name=case.after, selector=case.selector
    )
    began = time.perf_counter()
    answer = await call(
        list_page, request, deadline_seconds=DEADLINE_SECONDS, token=stack.writer
    )
    took = time.perf_counter() - began
    if answer.secure_values[0].name != case.first:
        raise RuntimeError(f"the page {case.name!r} is not what was asked for")
    return took, len(answer.secure_values)


async def list_everything(stack: StackUnderTest, rows: int) -> tuple[int, Watch]:
    """All names over REST, page by page. Raises RuntimeError unless each came once."""
    pids = {name: stack.pids[name] for name in ("gateway", "metadata")}
    names: list[str] = []
    params: dict[str, str | int] = {"limit": PAGE}
    async with rest_client(stack) as http, watched(pids) as watch:
        while True:
            answer = (await http.get(KIND, params=params)).raise_for_status().json()
            names += [item["metadata"]["name"] for item in answer["items"]]
            if not watch.warm and len(names) >= rows * WARM_AFTER:
                watch.mark()
            if not (token := answer["metadata"].get("continue")):
                break
            params["continue"] = token
    if len(names) < rows or names != sorted(set(names)):
        raise RuntimeError(f"the list has {len(names)} names for {rows} rows, or not in order")
    return len(names), watch


async def bench(stack: StackUnderTest, effort: Effort) -> tuple[list[Timed], int, list[Held]]:
    await copy_rows(stack, effort.rows)
    timed = await time_pages(stack, effort)
    listed, watch = await list_everything(stack, effort.rows)
    return timed, listed, [Held.of(name, watch) for name in watch.pids]


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    effort = QUICK if asked.quick else FULL
    with stack_under_test(asked.state) as stack:
        timed, listed, held = asyncio.run(bench(stack, effort))
    first = timed[0]
    print(report.table([PAGE_HEADINGS, *(entry.cells(first) for entry in timed)]))
    print(f"\n{listed} secure values listed over REST in pages of {PAGE}:")
    print(report.table([MEMORY_HEADINGS, *(entry.cells() for entry in held)]))
    print(f"each page {effort.pairs} times; {report.machine()}")
    ratios = {entry.case.name: entry.ratio(first) for entry in timed}
    if asked.json is not None:
        found = {"ratios": ratios, "listed": listed, "held": [asdict(h) for h in held]}
        asked.json.write_text(json.dumps(found, indent=2))
    flat = all(entry.grown <= MAXIMUM_GROWTH_MIB for entry in held)
    near = all(ratios[entry.case.name] <= entry.case.at_most for entry in timed)
    return 0 if asked.quick or (flat and near) else 1


def _times(seconds: Sequence[float]) -> tuple[str, str]:
    ordered = sorted(seconds)
    p50, p99 = (percentile(ordered, percent) * MILLISECONDS for percent in (50, 99))
    return f"{p50:.2f}", f"{p99:.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--state", type=running_state, help="directory of a running stack")
    parser.add_argument("--quick", action="store_true", help="few rows, nothing judged")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
