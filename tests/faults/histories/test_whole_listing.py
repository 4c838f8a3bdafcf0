"""A list of many pages has everything that is there all the time, once, whatever else happens.

SPLITKEEP_TEST_ROWS takes more rows than the few thousand that every run has.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

import httpx2
import pytest

from tests.bench.seed import KIND, copy_rows, filler_name, rest_client
from tests.bench.under_test import StackUnderTest
from tests.e2e.stack import a_canary, a_secure_value
from tests.faults.histories.replicated_stack import ReplicatedStack
from tests.faults.system.callers import callers_of as operators_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS = int(os.environ.get("SPLITKEEP_TEST_ROWS", "10_000"))
PAGE = 250
CHURNERS = 16
LONGEST_STAY = 20  # pages, of 40 in all
EVERY = [filler_name(number) for number in range(ROWS)]
LIVE = ("secure_value_labels", "secure_value_decrypters", "secure_values")


@asynccontextmanager
async def filled(stack: ReplicatedStack) -> AsyncIterator[StackUnderTest]:
    """The namespace `load` has so many rows; afterwards nothing lives there."""
    reached = replace(StackUnderTest.at(stack.state.directory), gateway=stack.gateways()[0])
    await copy_rows(reached, ROWS)
    try:
        yield reached
    finally:
        async with operators_of(stack) as operator:
            for table in (*LIVE, "counters", "changes"):
                await operator.rows("metadata", f"DELETE FROM {table} WHERE namespace = 'load'")


@dataclass(slots=True)
class Churn:
    """Secure values that come and go between the rows, each there for some pages."""

    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    dice: Random = field(default_factory=partial(Random, 7))
    pages: int = 0
    done: bool = False
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    gone: set[str] = field(default_factory=set)

    async def page_read(self, *, last: bool) -> None:
        """One more page of the list was read."""
        async with self.moved:
            self.pages, self.done = self.pages + 1, last
            self.moved.notify_all()

    async def come_and_go(self, http: httpx2.AsyncClient) -> None:
        while not self.done:
            number, stay = next(self.numbers), self.dice.randrange(LONGEST_STAY)
            name = f"{filler_name(self.dice.randrange(ROWS))}-between-{number}"
            made = await http.post(KIND, json=a_secure_value(name, a_canary()))
            await self._until_page(self.pages + stay)
            gone = await http.delete(f"{KIND}/{name}")
            assert (made.status_code, gone.status_code) == (201, 200)
            self.gone.add(name)

    async def _until_page(self, page: int) -> None:
        async with self.moved:
            await self.moved.wait_for(lambda: self.done or self.pages >= page)


async def listed(http: httpx2.AsyncClient, churn: Churn) -> list[str]:
    """Every name, page by page."""
    names: list[str] = []
    params: dict[str, Any] = {"limit": PAGE}
    while True:
        page = (await http.get(KIND, params=params)).raise_for_status().json()
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
        await churn.page_read(last=not token)
        if not token:
            return names
        params["continue"] = token


async def test_every_item_that_is_there_throughout_is_listed_once_while_others_come_and_go(
    stack: ReplicatedStack,
) -> None:
    churn = Churn()
    async with filled(stack) as reached, rest_client(reached) as http:
        churning = [asyncio.create_task(churn.come_and_go(http)) for _ in range(CHURNERS)]
        names = await listed(http, churn)
        await asyncio.gather(*churning)

    assert names == sorted(set(names))
    assert [name for name in names if name not in churn.gone] == EVERY
    # Of those that were there for a moment some were seen, and most were not.
    seen = set(names) - set(EVERY)
    assert 0 < len(seen) < len(churn.gone)
