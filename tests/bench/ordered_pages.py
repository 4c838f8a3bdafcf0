"""Pages by a search and in an order: do they cost more than the first page by name?"""

from google.protobuf.timestamp_pb2 import Timestamp

from protos.splitkeep.metadata.v1.secure_values_pb2 import (
    ListOrder,
    ListSecureValuesRequest,
    SortKey,
)
from tests.bench.bench import Bench
from tests.bench.own_stack import own_stack
from tests.bench.pages import (
    FIRST,
    QUICK_TIMES,
    TIMES,
    PageCase,
    promises,
    time_pages,
)
from tests.bench.seed import copy_rows, filler_name
from tests.bench.tables import Table
from tests.bench.under_test import NAMESPACE

NAME = "ordered_pages"
PAGE = 100
ROWS, QUICK_ROWS = 1_000_000, 1_000
HEADINGS = ("page of 100", "rows", "p50 ms", "p99 ms", "x first")
AT_MOST = 3
CREATED, MODIFIED = SortKey.SORT_KEY_CREATED, SortKey.SORT_KEY_MODIFIED
BY_NAME = ListOrder(key=SortKey.SORT_KEY_NAME)
SORTED = {
    "-name": ListOrder(key=SortKey.SORT_KEY_NAME, descending=True),
    "created": ListOrder(key=CREATED),
    "-created": ListOrder(key=CREATED, descending=True),
    "modified": ListOrder(key=MODIFIED),
    "-modified": ListOrder(key=MODIFIED, descending=True),
}


def ordered_page_cases(rows: int) -> list[PageCase]:
    """The first page by name comes first: every other is compared with it."""
    middle = filler_name(rows // 2)
    return [
        PageCase(FIRST, 1, page_of(), filler_name(0)),
        PageCase("search, of one name", AT_MOST, page_of(middle), middle),
        *(
            PageCase(
                f"search, of {found:,} names",
                AT_MOST,
                page_of(filler_name(found).removeprefix("filler-")[: -len(str(found)) + 1]),
                filler_name(found),
            )
            for found in (100, 1_000, 10_000)
            if rows >= 2 * found
        ),
        PageCase("search, of all names", AT_MOST, page_of("filler"), filler_name(0)),
        PageCase(
            "search, of all names, in the middle",
            AT_MOST,
            page_of("filler", after=middle),
            filler_name(rows // 2 + 1),
        ),
        PageCase("search, of no name", AT_MOST, page_of("nowhere"), ""),
        *(
            PageCase(f"sortBy={sort_by}", AT_MOST, page_of(order=order), None)
            for sort_by, order in SORTED.items()
        ),
    ]


def page_of(
    search: str = "",
    *,
    order: ListOrder = BY_NAME,
    after: str = "",
    after_time: Timestamp | None = None,
) -> ListSecureValuesRequest:
    """The request for a page."""
    return ListSecureValuesRequest(
        namespace=NAMESPACE,
        page_size=PAGE,
        search=search,
        order=order,
        after_name=after,
        after_time=after_time,
    )


async def measure(bench: Bench) -> Table:
    """Over gRPC, every page in turn. Raises RuntimeError if one is not what was asked for."""
    times, rows = (QUICK_TIMES, QUICK_ROWS) if bench.effort.quick else (TIMES, ROWS)
    async with own_stack() as running:
        stack = running.under_test()
        await copy_rows(stack, rows)
        timed = await time_pages(stack, ordered_page_cases(rows), times)
    return Table(
        name=NAME,
        title="Pages by a search or in an order",
        headings=HEADINGS,
        rows=[entry.cells(timed[0]) for entry in timed],
        notes=(
            f"Of {rows:,} secure values.",
            f"Each page {times} times, in turn with the first, over gRPC.",
            "A search in the middle of a list begins after half of the names.",
        ),
        promises=promises(f"page of {PAGE}", timed),
    )
