"""Pages of a long list: do the last ones cost more, and does listing all of it take memory?

    .venv/bin/python -m tests.bench.pages                      a stack of its own
    .venv/bin/python -m tests.bench.pages --state .splitkeep   the stack that runs there

Seeds 100 000 secure values, then compares a page of 100 by name at the start with one at the
end, over gRPC, and watches the gateway and metadata while all are listed over REST. The exit
code is 1 if the end costs more than 1.5 times the start, or if memory grows.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

import grpc

from chassis.grpc_client import call, open_channel
from protos.splitkeep.metadata.v1.secure_values_pb2 import (
    ListSecureValuesRequest,
    ListSecureValuesResponse,
)
from protos.splitkeep.metadata.v1.secure_values_pb2_grpc import SecureValuesStub
from tests.bench import report
from tests.bench.measuring import MILLISECONDS, percentile
from tests.bench.memory import Watch, watched
from tests.bench.seed import KIND, copy_rows, filler_name, rest_client
from tests.bench.under_test import NAMESPACE, StackUnderTest, running_state, stack_under_test

# A text at run time, where the class takes no parameters.
ListPage: TypeAlias = (
    "grpc.aio.UnaryUnaryMultiCallable[ListSecureValuesRequest, ListSecureValuesResponse]"
)

PAGE = 100
REST_PAGE = 500
DEADLINE_SECONDS = 10
MAXIMUM_RATIO = 1.5
# One page of 500 takes about a megabyte on its way; all 100 000 would take hundreds.
MAXIMUM_GROWTH_MIB = 16
WARM_AFTER = 0.1  # of the list
PAGE_HEADINGS = ("page of 100", "p50 ms", "p99 ms", "x start")
MEMORY_HEADINGS = ("resident MiB", "before", "warm", "peak", "after", "grown")


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rows there are and how often each page is asked for."""

    rows: int
    pairs: int


FULL = Effort(rows=100_000, pairs=300)
QUICK = Effort(rows=2_000, pairs=10)


@dataclass(frozen=True, slots=True)
class Pages:
    """Seconds that each page took; asked for in turn, so that pairs share the machine."""

    start: list[float]
    end: list[float]

    @property
    def ratio(self) -> float:
        return median(end / start for start, end in zip(self.start, self.end, strict=True))

    def lines(self) -> list[tuple[str, ...]]:
        return [
            ("at the start", *_times(self.start), "1.00"),
            ("at the end", *_times(self.end), f"{self.ratio:.2f}"),
        ]


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


async def time_pages(stack: StackUnderTest, effort: Effort) -> Pages:
    """The first and the last hundred rows, in turn. Raises RuntimeError if a page is wrong."""
    pages = Pages([], [])
    last = effort.rows - PAGE
    async with open_channel(stack.metadata, ca=stack.ca) as channel:
        list_page: ListPage = SecureValuesStub(channel).ListSecureValues
        for _ in range(effort.pairs):
            pages.start.append(await _page(list_page, stack, "", filler_name(0)))
            after = filler_name(last - 1)
            pages.end.append(await _page(list_page, stack, after, filler_name(last)))
    return pages


async def _page(list_page: ListPage, stack: StackUnderTest, after: str, first: str) -> float:
    request = ListSecureValuesRequest(namespace=NAMESPACE, page_size=PAGE, after_name=after)
    began = time.perf_counter()
    answer = await call(
        list_page, request, deadline_seconds=DEADLINE_SECONDS, token=stack.writer
    )
    took = time.perf_counter() - began
    if len(answer.secure_values) != PAGE or answer.secure_values[0].name != first:
        raise RuntimeError(f"the page after {after!r} is not what was asked for")
    return took


async def list_everything(stack: StackUnderTest, rows: int) -> tuple[int, Watch]:
    """All names over REST, page by page. Raises RuntimeError unless each came once."""
    pids = {name: stack.pids[name] for name in ("gateway", "metadata")}
    names: list[str] = []
    params: dict[str, str | int] = {"limit": REST_PAGE}
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


async def bench(stack: StackUnderTest, effort: Effort) -> tuple[Pages, int, list[Held]]:
    await copy_rows(stack, effort.rows)
    pages = await time_pages(stack, effort)
    listed, watch = await list_everything(stack, effort.rows)
    return pages, listed, [Held.of(name, watch) for name in watch.pids]


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    effort = QUICK if asked.quick else FULL
    with stack_under_test(asked.state) as stack:
        pages, listed, held = asyncio.run(bench(stack, effort))
    print(report.table([PAGE_HEADINGS, *pages.lines()]))
    print(f"\n{listed} secure values listed over REST in pages of {REST_PAGE}:")
    print(report.table([MEMORY_HEADINGS, *(entry.cells() for entry in held)]))
    print(f"{effort.pairs} pairs of pages; {report.machine()}")
    if asked.json is not None:
        found = {"ratio": pages.ratio, "listed": listed, "held": [asdict(h) for h in held]}
        asked.json.write_text(json.dumps(found, indent=2))
    flat = all(entry.grown <= MAXIMUM_GROWTH_MIB for entry in held)
    return 0 if asked.quick or (flat and pages.ratio <= MAXIMUM_RATIO) else 1


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
