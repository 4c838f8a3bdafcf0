"""Everything listed over REST, page by page: does a long list make a process grow?"""

from tests.bench.memory import Watch, watched
from tests.bench.pages import PAGE
from tests.bench.seed import KIND, rest_client
from tests.bench.tables import Bound, Effort, Promise, Table
from tests.bench.under_test import StackUnderTest

NAME = "list"
# One page of 500 takes about a megabyte on its way; all 100 000 would take hundreds.
MAXIMUM_GROWTH_MIB = 16
WARM_AFTER = 0.1  # of the list
PROCESSES = ("gateway", "metadata")


async def measure(stack: StackUnderTest, effort: Effort) -> Table:
    """Raises RuntimeError unless every name came once and in order."""
    listed, watch = await list_everything(stack, effort.rows)
    return Table(
        name=NAME,
        title="A whole list",
        headings=("resident MiB", "before", "warm", "peak", "after", "grown"),
        rows=[
            (
                *(process, watch.before(process), watch.warm[process]),
                *(watch.peak(process), watch.after(process), watch.grown(process)),
            )
            for process in PROCESSES
        ],
        notes=(
            f"{listed} secure values over REST, {PAGE} a page; warm is after the first tenth.",
        ),
        promises=[
            Promise(
                f"growth of the {process} while everything is listed, MiB",
                Bound.AT_MOST,
                MAXIMUM_GROWTH_MIB,
                watch.grown(process),
            )
            for process in PROCESSES
        ],
    )


async def list_everything(stack: StackUnderTest, rows: int) -> tuple[int, Watch]:
    """All names over REST, page by page. Raises RuntimeError unless each came once."""
    pids = {name: stack.pids[name] for name in PROCESSES}
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
