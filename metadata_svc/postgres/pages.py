"""Pages of both kinds. See ports.Pages."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from chassis.postgres import Database
from chassis.queries import load_queries
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.reader import Page, PageQuery
from metadata_svc.postgres.ordered_pages import PostgresOrderedPages
from metadata_svc.postgres.page_rows import page_from_rows
from metadata_svc.postgres.rows import keeper_from_row, secure_value_from_row
from metadata_svc.postgres.selection import (
    Leader,
    excluded_names,
    field_parameters,
    label_parameters,
    leaders,
    names_selected,
)

# How many names of a leader are passed to see how far it reaches, and of how many leaders.
PROBED_NAMES = 200
PROBED_LEADERS = 16
# How many times as many names are looked at when those looked at did not fill the page.
MORE_NAMES = 4


@dataclass(frozen=True, slots=True)
class PageQueries:
    """The statements of pages.sql."""

    page_of_namespace: str
    page_of_names: str
    page_of_label: str
    page_of_values: str
    page_of_any_value: str
    page_of_decrypter: str
    page_of_keeper: str
    reaches: str
    page_of_keepers: str


def load_page_queries() -> PageQueries:
    """The statements as the files have them."""
    return load_queries(PageQueries, "metadata_svc.postgres", "page_parts.sql", "pages.sql")


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement and its parameters; how many names it looks at, if there is a bound."""

    statement: str
    parameters: tuple[object, ...]
    names: int = 0

    def with_more_names(self) -> "Asked":
        """The same, looking at more names."""
        more = self.names * MORE_NAMES
        return Asked(self.statement, (*self.parameters[:-1], more), more)


@dataclass(frozen=True, slots=True)
class PostgresSecureValuePages:
    """See ports.Pages. Whichever requirement names fewest leads; a statement finds that out."""

    database: Database
    queries: PageQueries
    ordered: PostgresOrderedPages

    async def page(self, query: PageQuery) -> Page[SecureValue]:
        rows = await (self._rows(query) if query.simply_by_name else self.ordered.rows(query))
        return page_from_rows(rows, query, secure_value_from_row)

    async def _rows(self, query: PageQuery) -> Sequence[asyncpg.Record]:
        asked = await self.asked(query)
        rows = await self.database.fetch(asked.statement, *asked.parameters)
        while asked.names and _is_cut(rows, query.limit):
            asked = asked.with_more_names()
            rows = await self.database.fetch(asked.statement, *asked.parameters)
        return rows

    async def asked(self, query: PageQuery) -> Asked:
        """The statement that reads fewest rows to answer the query."""
        labels, fields = label_parameters(query.selector), field_parameters(query.selector)
        usual = (*_bounds(query), *labels, *fields)
        names = names_selected(query.selector, query.scope)
        if names is not None:
            return Asked(self.queries.page_of_names, (*usual, names))
        candidates = leaders(query.selector)[:PROBED_LEADERS]
        if not candidates:
            return Asked(self.queries.page_of_namespace, usual)
        leader = candidates[0] if len(candidates) == 1 else await self._best(candidates, query)
        alone = len(query.selector.labels) + len(query.selector.fields) == 1
        return self._led(leader, usual, (query.limit + 1) * (1 if alone else MORE_NAMES))

    def _led(self, leader: Leader, usual: tuple[object, ...], names: int) -> Asked:
        if leader.decrypter is not None:
            return Asked(self.queries.page_of_decrypter, (*usual, leader.decrypter))
        if leader.keeper is not None:
            return Asked(self.queries.page_of_keeper, (*usual, leader.keeper))
        if not leader.values:
            passed = (leader.one_of, leader.at_least, leader.at_most)
            return Asked(self.queries.page_of_any_value, (*usual, leader.label, *passed))
        if len(leader.values) == 1:
            return Asked(self.queries.page_of_label, (*usual, leader.label, leader.values[0]))
        merged = (leader.label, leader.values, names)
        return Asked(self.queries.page_of_values, (*usual, *merged), names)

    async def _best(self, candidates: Sequence[Leader], query: PageQuery) -> Leader:
        """The one with the fewest names from here on, as far as it costs little to know."""
        parts = [(number, part) for number, c in enumerate(candidates) for part in c.parts]
        rows = await self.database.fetch(
            self.queries.reaches,
            query.namespace,
            query.after.name,
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
        return page_from_rows(rows, query, keeper_from_row)


def _bounds(query: PageQuery) -> tuple[object, ...]:
    return (query.namespace, query.after.name, query.limit + 1, query.max_bytes)


def _is_cut(rows: Sequence[asyncpg.Record], limit: int) -> bool:
    """Whether there may be more on this page than was looked at."""
    return bool(rows[0]["cut"]) and (rows[0]["found"] or 0) <= limit
