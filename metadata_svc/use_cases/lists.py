"""Lists: pages of what a caller may read, of one kind."""

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from chassis.caller import Caller
from chassis.errors import ExpiredError, FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.access import Scope
from metadata_svc.domain.listing import START, Order, Place, listing_violations
from metadata_svc.domain.resource import Kind, Resource
from metadata_svc.domain.resource_rules import require_valid_namespace
from metadata_svc.domain.selector import Selector, require_valid_selector
from metadata_svc.ports.changes import Changes, ChangesQuery
from metadata_svc.ports.reader import Page, PageQuery, Pages
from metadata_svc.use_cases.access import readable
from metadata_svc.use_cases.history import require_kept
from metadata_svc.use_cases.kinds import FIELDS, READ

T = TypeVar("T", bound=Resource)

MAX_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Which page of which list. A search is the same in capitals.

    With `since`, the history from there on must be kept; with `exact`, the namespace must be
    as that write left it. 0 asks for neither.
    """

    namespace: str
    selector: Selector = field(default_factory=Selector)
    page_size: int = 0
    search: str = ""
    order: Order = field(default_factory=Order)
    after: Place = START
    since: int = 0
    exact: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists(Generic[T]):
    """What a caller with the read action may list."""

    kind: Kind
    pages: Pages[T]
    changes: Changes[T]

    async def page(self, caller: Caller, request: ListRequest) -> Page[T]:
        """A page of what the caller may read; what it may not read shapes nothing of it.

        What is damaged is named and left out. If more match, the page has an item; but not
        always with a search, or in another order than that of names: see Pages.

        Raises PermissionDeniedError without any read right, InvalidArgumentError, and
        ExpiredError when the state or the history that is asked for is not kept.
        """
        scope = readable(caller, READ[self.kind], request.namespace)
        require_valid_namespace(request.namespace)
        require_valid_selector(request.selector, FIELDS[self.kind])
        _require_valid_page(request)
        if request.since:
            await self._require_history(request)
        query = PageQuery(
            namespace=request.namespace,
            scope=scope,
            selector=request.selector,
            search=request.search.lower(),
            order=request.order,
            after=request.after,
            limit=request.page_size or MAX_PAGE_SIZE,
        )
        page = await self._page_with_an_item(query)
        if request.exact and page.resource_version != request.exact:
            raise ExpiredError
        return page

    async def _page_with_an_item(self, query: PageQuery) -> Page[T]:
        """Earlier gateways go on after the last item: if more match, there is one."""
        page = await self.pages.page(query)
        damaged = page.damaged
        while page.next and not page.items and query.simply_by_name:
            page = await self.pages.page(replace(query, after=page.next))
            damaged += page.damaged
        return replace(page, damaged=damaged)

    async def _require_history(self, request: ListRequest) -> None:
        first = ChangesQuery(
            namespace=request.namespace, scope=Scope(), after=request.since, limit=1
        )
        require_kept(await self.changes.after(first), after=request.since)


def _require_valid_page(request: ListRequest) -> None:
    size = request.page_size
    rules = (
        ("limit", 0 <= size <= MAX_PAGE_SIZE, f"must be 0 to {MAX_PAGE_SIZE}"),
        ("continue", request.since >= 0, "must not be negative"),
        ("resourceVersion", request.exact >= 0, "must not be negative"),
    )
    found = tuple(
        FieldViolation(path, Rule.INVALID, text) for path, ok, text in rules if not ok
    )
    found += listing_violations(request.search, request.order, request.after)
    if found:
        raise InvalidArgumentError(violations=found)
