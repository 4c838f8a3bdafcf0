"""Pages of a long list: do others cost more than the first?"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from tests.bench.measuring import MILLISECONDS, percentile
from tests.bench.seed import LABEL, decrypter_name, filler_name, label_value
from tests.bench.tables import Bound, Cell, Effort, Promise, Table
from tests.bench.under_test import DECRYPTER, NAMESPACE, StackUnderTest

# A text at run time, where the class takes no parameters.
ListPage: TypeAlias = (
    "grpc.aio.UnaryUnaryMultiCallable[ListSecureValuesRequest, ListSecureValuesResponse]"
)

NAME = "pages"
PAGE = 500
DEADLINE_SECONDS = 10
TIMES, QUICK_TIMES = 100, 3
HEADINGS = ("page of 500", "rows", "p50 ms", "p99 ms", "x first")
FIRST, END = "the first", "the last"
IN, NOT_IN = selector_pb2.LABEL_OPERATOR_IN, selector_pb2.LABEL_OPERATOR_NOT_IN


@dataclass(frozen=True, slots=True)
class PageCase:
    """One page; how many times the first page's time it may take, and which name is first.

    None where any name may be; empty where there is none.
    """

    name: str
    at_most: float
    request: ListSecureValuesRequest
    first: str | None


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
        PageCase(FIRST, 1, page_of(Selector()), filler_name(0)),
        PageCase(END, 1.5, page_of(Selector(), filler_name(last - 1)), filler_name(last)),
        PageCase("label =, 1 %", 3, page_of(label(IN, one)), filler_name(1)),
        PageCase("label in, 2 %", 3, page_of(label(IN, one, two)), filler_name(1)),
        PageCase("label !=, 99 %", 3, page_of(label(NOT_IN, one)), filler_name(0)),
        PageCase("decrypter, all", 3, page_of(decrypter(DECRYPTER)), filler_name(0)),
        PageCase("decrypter, 1 %", 3, page_of(decrypter(decrypter_name(1))), filler_name(1)),
        PageCase("label and decrypter, 1 %", 3, page_of(both), filler_name(1)),
        PageCase(
            "label =, 1 %, near its end",
            3,
            page_of(label(IN, one), filler_name(rows // 2)),
            filler_name(rows // 2 + 1),
        ),
    ]


def page_of(selector: Selector, after: str = "") -> ListSecureValuesRequest:
    """The request for the page after a name."""
    return ListSecureValuesRequest(
        namespace=NAMESPACE, page_size=PAGE, after_name=after, selector=selector
    )


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

    def cells(self, first: "Timed") -> tuple[Cell, ...]:
        ordered = sorted(self.seconds)
        p50, p99 = (percentile(ordered, percent) * MILLISECONDS for percent in (50, 99))
        return (self.case.name, self.rows, p50, p99, self.ratio(first))


async def measure(stack: StackUnderTest, effort: Effort) -> Table:
    """Over gRPC, every page in turn. Raises RuntimeError if one is not what was asked for."""
    times = QUICK_TIMES if effort.quick else TIMES
    timed = await time_pages(stack, page_cases(effort.rows), times)
    return Table(
        name=NAME,
        title="Pages of a long list",
        headings=HEADINGS,
        rows=[entry.cells(timed[0]) for entry in timed],
        notes=(f"Each page {times} times, in turn with the first, over gRPC.",),
        promises=promises(f"page of {PAGE}", timed),
    )


def promises(page: str, timed: Sequence[Timed]) -> list[Promise]:
    """That none takes longer than it may, as a multiple of the first."""
    first, *others = timed
    return [
        Promise(
            f"{page}: {entry.case.name}, as a multiple of the first",
            Bound.AT_MOST,
            entry.case.at_most,
            entry.ratio(first),
        )
        for entry in others
    ]


async def time_pages(
    stack: StackUnderTest, cases: Sequence[PageCase], times: int
) -> list[Timed]:
    """Every page, in turn and again. Raises RuntimeError if a page is wrong."""
    timed = [Timed(case, 0, []) for case in cases]
    async with open_channel(stack.metadata, ca=stack.ca) as channel:
        list_page: ListPage = SecureValuesStub(channel).ListSecureValues
        for _ in range(times):
            for number, entry in enumerate(timed):
                took, rows = await _page(list_page, stack, entry.case)
                entry.seconds.append(took)
                timed[number] = replace(entry, rows=rows)
    return timed


async def _page(
    list_page: ListPage, stack: StackUnderTest, case: PageCase
) -> tuple[float, int]:
    began = time.perf_counter()
    answer = await call(
        list_page, case.request, deadline_seconds=DEADLINE_SECONDS, token=stack.writer
    )
    took = time.perf_counter() - began
    found = answer.secure_values[0].name if answer.secure_values else ""
    if found != case.first and not (case.first is None and found):
        raise RuntimeError(f"the page {case.name!r} is not what was asked for")
    return took, len(answer.secure_values)
