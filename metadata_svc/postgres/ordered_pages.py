"""Pages in any order, and of what a search finds. See ports.Pages and ordered_pages.sql."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

import asyncpg

from chassis.postgres import Database
from chassis.queries import load_queries
from metadata_svc.domain.listing import START, Order, Place
from metadata_svc.ports.reader import PageQuery
from metadata_svc.postgres.selection import (
    Leader,
    field_parameters,
    label_parameters,
    leaders,
    names_selected,
)

# So many rows at most are gathered for a page, or names passed in a walk.
MAX_ROWS = 10_000
# How many requirements are tried, one after another, until one is found to name few.
MAX_TRIES = 4

# What everything comes after and what everything comes before; of times, those that are listed.
_LEAST_TIME = datetime(1, 1, 2, tzinfo=UTC)
_GREATEST_TIME = datetime(9999, 12, 31, tzinfo=UTC)
_GREATEST_NAME = "\U0010ffff"


Asked: TypeAlias = tuple[str, tuple[object, ...]]  # a statement and its parameters


@dataclass(frozen=True, slots=True)
class OrderedPageQueries:
    """The statements of ordered_pages.sql."""

    walked_by_name: str
    walked_by_name_descending: str
    walked_by_created: str
    walked_by_created_descending: str
    walked_by_modified: str
    walked_by_modified_descending: str
    gathered_by_name: str
    gathered_by_name_descending: str
    gathered_by_created: str
    gathered_by_created_descending: str
    gathered_by_modified: str
    gathered_by_modified_descending: str


class Requirement(NamedTuple):
    """What names the rows to gather, as the parameters $15 to $17."""

    kind: str
    key: str | None = None
    values: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class PostgresOrderedPages:
    """Rows of pages that are not simply by name."""

    database: Database
    queries: OrderedPageQueries
    max_rows: int = MAX_ROWS

    async def rows(self, query: PageQuery) -> Sequence[asyncpg.Record]:
        """Those of one page, by the cheapest way that is found."""
        requirements = self.requirements(query)
        for requirement in requirements[:MAX_TRIES]:
            statement, parameters = self.gathered(query, requirement)
            rows = await self.database.fetch(statement, *parameters)
            if not rows[0]["cut"]:
                return rows
        statement, parameters = self.walked(query)
        return await self.database.fetch(statement, *parameters)

    @staticmethod
    def requirements(query: PageQuery) -> list[Requirement]:
        """What could name the rows to gather, first what is likely to name fewest."""
        names = names_selected(query.selector, query.scope)
        if names is not None:
            return [Requirement("names", None, names)]
        found = [Requirement("search")] if query.search else []
        return found + [_requirement(leader) for leader in leaders(query.selector)]

    def gathered(self, query: PageQuery, requirement: Requirement) -> Asked:
        """The statement that gathers what the requirement names, and its parameters."""
        # Single names are never too many: they are the caller's scope, which a walk has not.
        max_rows = max(self.max_rows, len(requirement.values or ()))
        statement: str = getattr(self.queries, f"gathered_by_{_suffix(query.order)}")
        return statement, (*_parameters(query), max_rows, *requirement)

    def walked(self, query: PageQuery) -> Asked:
        """The statement that walks in the order, and its parameters.

        Raises ValueError for a query of single names, which a walk would pass over.
        """
        if names_selected(query.selector, query.scope) is not None:
            raise ValueError("single names are gathered, never walked to")
        statement: str = getattr(self.queries, f"walked_by_{_suffix(query.order)}")
        return statement, (*_parameters(query), self.max_rows)


def load_ordered_page_queries() -> OrderedPageQueries:
    """The statements as the files have them."""
    return load_queries(
        OrderedPageQueries, "metadata_svc.postgres", "page_parts.sql", "ordered_pages.sql"
    )


def _parameters(query: PageQuery) -> tuple[object, ...]:
    """$1 to $13."""
    start = _start(query.order) if query.after == START else query.after
    return (
        query.namespace,
        start.name,
        query.limit + 1,
        query.max_bytes,
        *label_parameters(query.selector),
        *field_parameters(query.selector),
        query.search,
        start.time,
    )


def _suffix(order: Order) -> str:
    return f"{order.key}_descending" if order.descending else order.key


def _start(order: Order) -> Place:
    if not order.by_time:
        return Place(_GREATEST_NAME if order.descending else "")
    return Place("", _GREATEST_TIME if order.descending else _LEAST_TIME)


def _requirement(leader: Leader) -> Requirement:
    if leader.decrypter is not None:
        return Requirement("decrypter", leader.decrypter)
    if leader.keeper is not None:
        return Requirement("keeper", leader.keeper)
    values = leader.values or leader.one_of
    return Requirement("values" if values else "label", leader.label, values)
