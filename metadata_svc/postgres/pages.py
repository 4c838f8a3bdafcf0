"""Pages of both kinds. See ports.Pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from chassis.postgres import Database
from chassis.queries import load_queries
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.reader import Page, PageQuery
from metadata_svc.postgres.rows import keeper_from_row, secure_value_from_row
from metadata_svc.postgres.selection import (
    Leader,
    excluded_names,
    field_parameters,
    label_parameters,
    leaders,
    names_selected,
)

T = TypeVar("T")

# Half of what a gRPC client takes by default; one secure value alone may weigh about 0.3 MiB.
MAX_PAGE_BYTES = 2 * 1024 * 1024
# How many names of a leader are passed to see how far it reaches, and of how many leaders.
PROBED_NAMES = 200
PROBED_LEADERS = 16


@dataclass(frozen=True, slots=True)
class PageQueries:
    """The statements of pages.sql."""

    page_of_namespace: str
    page_of_names: str
    page_led: str
    reaches: str
    page_of_keepers: str


def load_page_queries() -> PageQueries:
    """The statements as the file has them."""
    return load_queries(PageQueries, "metadata_svc.postgres", "pages.sql")


@dataclass(frozen=True, slots=True)
class PostgresSecureValuePages:
    """See ports.Pages. Whichever requirement names fewest leads; a statement finds that out."""

    database: Database
    queries: PageQueries

    async def page(self, query: PageQuery) -> Page[SecureValue]:
        statement, extra = await self._statement(query)
        labels, fields = label_parameters(query.selector), field_parameters(query.selector)
        rows = await self.database.fetch(statement, *_bounds(query), *labels, *fields, *extra)
        return _page(rows, query.limit, secure_value_from_row)

    async def _statement(self, query: PageQuery) -> tuple[str, tuple[object, ...]]:
        """The statement that reads fewest rows, and its own parameters."""
        names = names_selected(query.selector, query.scope)
        if names is not None:
            return self.queries.page_of_names, (names,)
        candidates = leaders(query.selector)[:PROBED_LEADERS]
        if not candidates:
            return self.queries.page_of_namespace, ()
        leader = candidates[0] if len(candidates) == 1 else await self._best(candidates, query)
        return self.queries.page_led, leader.parameters

    async def _best(self, candidates: Sequence[Leader], query: PageQuery) -> Leader:
        """The one with the fewest names from here on, as far as it costs little to know."""
        parts = [(number, part) for number, c in enumerate(candidates) for part in c.parts]
        rows = await self.database.fetch(
            self.queries.reaches,
            query.namespace,
            query.after_name,
            PROBED_NAMES,
            [part.label if part.values else None for _, part in parts],
            [part.values[0] if part.values else None for _, part in parts],
            [part.with_any_value for _, part in parts],
            [part.decrypter for _, part in parts],
            [part.keeper for _, part in parts],
        )
        reaches: dict[int, tuple[bool, str]] = {}
        for (number, _), row in zip(parts, rows, strict=True):
            reach = (row["name"] is None, row["name"] or "")  # to the end, or to that name
            reaches[number] = min(reach, reaches.get(number, reach))
        return candidates[max(reaches, key=lambda number: reaches[number])]


@dataclass(frozen=True, slots=True)
class PostgresKeeperPages:
    """See ports.Pages."""

    database: Database
    queries: PageQueries

    async def page(self, query: PageQuery) -> Page[Keeper]:
        rows = await self.database.fetch(
            self.queries.page_of_keepers,
            *_bounds(query),
            *label_parameters(query.selector),
            excluded_names(query.selector),
            names_selected(query.selector, query.scope),
        )
        return _page(rows, query.limit, keeper_from_row)


def _bounds(query: PageQuery) -> tuple[object, ...]:
    return (query.namespace, query.after_name, query.limit + 1, MAX_PAGE_BYTES)


def _page(
    rows: Sequence[asyncpg.Record], limit: int, item: Callable[[asyncpg.Record], T]
) -> Page[T]:
    counter: int = rows[0]["counter"]
    if rows[0]["name"] is None:
        return Page((), more=False, resource_version=counter)
    kept = rows[:limit]
    more = rows[0]["found"] > len(kept)
    return Page(tuple(map(item, kept)), more=more, resource_version=counter)
