"""The reading ports in memory: pages, what happened, and counters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Generic

from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.listing import START, Order, Place, SortKey, is_found
from metadata_svc.domain.resource import Kind, Resource, ResourceT
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.selector import matches, selectable
from metadata_svc.ports.changes import ChangesQuery, Entry, Past, PastChange
from metadata_svc.ports.history import Change
from metadata_svc.ports.reader import Page, PageQuery
from tests.fakes.metadata_svc.tables import Address, Tables

Now = Callable[[], Tables]


class FakePages(Generic[ResourceT]):
    def __init__(self, now: Now, rows: Callable[[Tables], Mapping[Address, ResourceT]]) -> None:
        self._now, self._rows = now, rows

    async def page(self, query: PageQuery) -> Page[ResourceT]:
        tables = self._now()
        rows = self._rows(tables).values()
        ordered = sorted(
            (row for row in rows if _is_listed(row, query)),
            key=lambda row: _key(_place(row, query.order)),
            reverse=query.order.descending,
        )
        found = [row for row in ordered if _is_after(_place(row, query.order), query)]
        page = found[: query.limit]
        following = _place(page[-1], query.order) if len(found) > len(page) else None
        return Page(tuple(page), following, tables.counters.get(query.namespace, 0))


class FakeChanges(Generic[ResourceT]):
    def __init__(self, now: Now, kind: Kind) -> None:
        self._now, self._kind = now, kind

    async def after(self, query: ChangesQuery) -> Past[ResourceT]:
        tables = self._now()
        changes = sorted(
            (c for _, c in tables.changes if c.resource.namespace == query.namespace),
            key=lambda c: c.resource_version,
        )
        entries = [self._entry(c, query) for c in changes if c.resource_version > query.after]
        counter = tables.counters.get(query.namespace, 0)
        return Past(tuple(entries[: query.limit]), counter)

    def _entry(self, change: Change, query: ChangesQuery) -> Entry[ResourceT]:
        after = change.resource
        if after.kind is not self._kind or not query.scope.covers(after.name):
            return Entry(change.resource_version, None)
        return Entry(
            change.resource_version,
            PastChange(type=change.type, after=after, before=_before(change)),  # type: ignore[arg-type]  # of the kind, by now
        )


class FakeCounters:
    def __init__(self, now: Now) -> None:
        self._now = now

    async def counters(self, namespaces: Sequence[str]) -> dict[str, int]:
        counters = self._now().counters
        return {namespace: counters.get(namespace, 0) for namespace in namespaces}


def _place(resource: Resource, order: Order) -> Place:
    times = {SortKey.CREATED: resource.created_at, SortKey.MODIFIED: resource.updated_at}
    return Place(resource.name, times.get(order.key))


def _key(place: Place) -> tuple[datetime, str]:
    return (place.time or datetime.min.replace(tzinfo=UTC), place.name)


def _is_after(place: Place, query: PageQuery) -> bool:
    if query.after == START:
        return True
    here, after = _key(place), _key(query.after)
    return here < after if query.order.descending else here > after


def _is_listed(resource: Resource, query: PageQuery) -> bool:
    return (
        resource.namespace == query.namespace
        and is_found(resource.name, query.search)
        and query.scope.covers(resource.name)
        and matches(query.selector, selectable(resource))
    )


def _before(change: Change) -> SecureValue | Keeper | None:
    before, after = change.previous, change.resource
    if before is None:
        return None
    if isinstance(before, SecureValue) and isinstance(after, SecureValue):
        return replace(after, labels=before.labels, decrypters=before.decrypters)
    return replace(after, labels=before.labels)
