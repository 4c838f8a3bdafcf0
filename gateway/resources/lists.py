"""Lists: a page when a limit is asked for, else the whole as a stream.

- Little more than one of metadata's pages is held at a time, however long the list is.
- Every page of one list carries the counter that was read before the first row of the first:
  a watch from there misses nothing.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import ExpiredError
from chassis.sensitive import Sensitive
from gateway.bodies.request_json import JsonObject
from gateway.clients.resources import PageAsk, PageOf, Resources
from gateway.kinds import Target
from gateway.queries.ordering import START, Place, ordering_from
from gateway.queries.paging import (
    MAX_LIMIT,
    ListIdentity,
    Position,
    continue_token,
    position_from,
)
from gateway.queries.query import Query, query_from
from gateway.queries.resource_versions import ListedState, check_exists, listed_state_from
from gateway.rendering.answers import answer, list_answer
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.selectors.selection import selection_from

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")

PAGE_SIZE = 100
"""Objects asked of metadata at a time: with annotations of the greatest length these stay
below what one gRPC answer may be.
"""

ENOUGH_BYTES = 8 * 1024 * 1024
"""A page that is this long on the wire is not filled up to its limit."""

MAX_DAMAGED_TOLD = 10
_NAME = re.compile(r"[a-z0-9.-]{1,253}")

FIRST = Position(resource_version=0, after=START)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which part of which list is asked for. A limit of 0 is none."""

    identity: ListIdentity
    limit: int
    start: Position
    state: ListedState

    @property
    def exact(self) -> int:
        """The only state of the namespace that will do, 0 if any will."""
        return self.start.resource_version if self.start.exact else self.state.exact


def list_query_from(query: Query, target: Target) -> ListQuery:
    """Raises BadRequestError; InvalidArgumentError: parameters do not go together."""
    state = listed_state_from(query)
    identity = ListIdentity(target, selection_from(query, target), ordering_from(query, target))
    token = query.text("continue")
    return ListQuery(
        identity=identity,
        limit=min(query.count("limit"), MAX_LIMIT),
        start=position_from(token, identity) if token else FIRST,
        state=state,
    )


class Lists(Generic[ItemT, WriteT]):
    """Lists of one kind. Methods raise what Resources.list_page raises."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
    ) -> None:
        self._client = client
        self._representation = representation

    async def list(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """GET of the collection: a page if a limit is given, else all of it as a stream."""
        asked = list_query_from(query_from(request.scope["query_string"]), target)
        if asked.limit:
            document, damaged = await self._page(asked, token)
            return answer(document, request, warnings=_warnings(damaged))
        pages = self._pages(asked, token)
        first = await anext(pages)
        head = _head(asked, first.resource_version, None)
        # Headers come first: of damaged objects on later pages only metadata's log tells.
        warnings = _warnings(first.damaged_names)
        return list_answer(
            head, self._rendered(target, first, pages), request, warnings=warnings
        )

    async def _page(
        self, asked: ListQuery, token: Sensitive[str]
    ) -> tuple[JsonObject, Sequence[str]]:
        """At most `asked.limit` items, and where the list goes on, if it does.

        And the names of those that are damaged. A page with a search or an order is not filled
        up: metadata bounds what it costs.
        """
        items: list[ItemT] = []
        damaged: list[str] = []
        version, following, held = 0, None, 0
        async with aclosing(self._pages(asked, token)) as pages:
            async for page in pages:
                version = version or page.resource_version
                items += page.items
                damaged += page.damaged_names
                held += page.wire_bytes
                following = page.next
                short = len(page.items) < PAGE_SIZE and not asked.identity.ordering.is_plain
                if held > ENOUGH_BYTES or short:
                    break
        head = _head(asked, version, following)
        to_json, target = self._representation.to_json, asked.identity.target
        return head | {"items": [to_json(item, target) for item in items]}, damaged

    async def _pages(
        self, asked: ListQuery, token: Sensitive[str]
    ) -> AsyncGenerator[PageOf[ItemT], None]:
        """One after another, until there are as many items as asked for."""
        after: Place | None = asked.start.after
        wanted = asked.limit
        while after is not None and (wanted or not asked.limit):
            ask = PageAsk(
                namespace=asked.identity.target.namespace,
                selector=asked.identity.selector,
                page_size=min(wanted or PAGE_SIZE, PAGE_SIZE),
                ordering=asked.identity.ordering,
                after=after,
                since=asked.start.resource_version,
                exact=asked.exact,
            )
            page = await self._fetched(ask, asked.state, token)
            yield page
            after = page.next
            wanted = max(wanted - len(page.items), 0)

    async def _fetched(
        self, ask: PageAsk, state: ListedState, token: Sensitive[str]
    ) -> PageOf[ItemT]:
        """Raises ExpiredError; ResourceVersionTooLargeError: the state is still to come."""
        try:
            page = await self._client.list_page(ask, token=token)
        except ExpiredError:
            if state.exact:  # any but the present one has expired: on which side of it is this?
                present = replace(ask, page_size=1, exact=0)
                newest = await self._client.list_page(present, token=token)
                check_exists(state.exact, newest.resource_version)
            raise
        check_exists(state.not_older_than, page.resource_version)
        return page

    async def _rendered(
        self, target: Target, first: PageOf[ItemT], rest: AsyncGenerator[PageOf[ItemT], None]
    ) -> AsyncGenerator[Iterable[JsonObject], None]:
        to_json = self._representation.to_json
        async with aclosing(rest):
            yield (to_json(item, target) for item in first.items)
            del first
            async for page in rest:
                yield (to_json(item, target) for item in page.items)


def _warnings(damaged: Sequence[str]) -> tuple[str, ...]:
    """One header for all damaged objects (RFC 9111 §5.5, code 299)."""
    if not damaged:
        return ()
    # What is damaged may have any name: a header takes those that are names.
    told = [name for name in damaged if _NAME.fullmatch(name)][:MAX_DAMAGED_TOLD]
    names = ": " + ", ".join(told) if told else ""
    return (f'299 - "left out because damaged in the database: {len(damaged)}{names}"',)


def _head(asked: ListQuery, version: int, following: Place | None) -> JsonObject:
    """Everything but the items, and where the list goes on, if it does."""
    target = asked.identity.target
    version = asked.start.resource_version or version
    metadata: JsonObject = {"resourceVersion": str(version)}
    if following is not None:
        position = Position(version, following, exact=bool(asked.exact))
        metadata["continue"] = continue_token(position, asked.identity)
    return {
        "kind": f"{target.kind.name}List",
        "apiVersion": target.api_version,
        "metadata": metadata,
    }
