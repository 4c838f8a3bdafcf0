"""The rows of a page statement as a page."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import asyncpg

from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.listing import Place
from metadata_svc.domain.resource import DamagedObjectError
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.reader import Page, PageQuery
from metadata_svc.postgres.rows import size_bytes

T = TypeVar("T", SecureValue, Keeper)


def page_from_rows(
    rows: Sequence[asyncpg.Record], query: PageQuery, item: Callable[[asyncpg.Record], T]
) -> Page[T]:
    """See pages.sql for what the rows are; `item` raises DamagedObjectError."""
    first = rows[0]
    if first["name"] is None:
        return Page((), _end_of_walk(first), first["counter"])
    items: list[T] = []
    damaged: list[str] = []
    room = query.max_bytes
    passed = 0
    for row in rows[: query.limit]:
        try:
            read = item(row)
        except DamagedObjectError:
            damaged.append(row["name"])
            passed += 1
            continue
        room -= size_bytes(read)
        if room < 0 and items:  # what the statement knew of its weight was less than the truth
            break
        items.append(read)
        passed += 1
    more = first["found"] > passed
    following = _place(rows[passed - 1]) if more else _end_of_walk(first)
    return Page(tuple(items), following, first["counter"], tuple(damaged))


def _place(row: asyncpg.Record) -> Place:
    return Place(row["name"], row.get("time"))


def _end_of_walk(row: asyncpg.Record) -> Place | None:
    """Where the walk ended before the list did, if it did."""
    name = row.get("last_name")
    return None if name is None else Place(name, row["last_time"])
