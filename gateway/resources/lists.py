"""Lists: a page when a limit is asked for, else the whole as a stream.

- At most one page is held at a time, however long the list is.
- Every page of one list carries the counter that was read before the first row of the first:
  a watch from there misses nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.sensitive import Sensitive
from gateway.answers import answer
from gateway.clients.resources import PageAsk, PageOf, Resources
from gateway.errors import BadRequestError
from gateway.kinds import Target
from gateway.paging import MAX_LIMIT, Position, continue_token, position_from
from gateway.query import Query, query_from
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.request_json import JsonObject
from gateway.selectors.selection import selector_from
from protos.splitkeep.metadata.v1.selector_pb2 import Selector

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")

PAGE_SIZE = 100
"""Objects asked of metadata at a time: with annotations of the greatest length these stay
below what one gRPC answer may be.
"""

START = Position(resource_version=0, after_name="")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which part of which list is asked for. A limit of 0 is none."""

    target: Target
    selector: Selector
    limit: int
    start: Position


def list_query_from(query: Query, target: Target) -> ListQuery:
    """Raises BadRequestError."""
    if query.text("resourceVersionMatch") not in {"", "NotOlderThan"}:
        raise BadRequestError("resourceVersionMatch: must be NotOlderThan")
    selector = selector_from(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        kind=target.kind,
        namespace=target.namespace,
    )
    token = query.text("continue")
    start = (
        position_from(token, namespace=target.namespace, selector=selector) if token else START
    )
    limit = min(query.count("limit"), MAX_LIMIT)
    return ListQuery(target=target, selector=selector, limit=limit, start=start)


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
            return answer(await self._page(asked, token), request)
        pages = self._pages(asked, token)
        document = self._document(asked, await anext(pages), pages)
        return StreamingResponse(document, media_type="application/json")

    async def _page(self, asked: ListQuery, token: Sensitive[str]) -> JsonObject:
        """At most `asked.limit` items, and where the list goes on, if it does."""
        items: list[ItemT] = []
        version, more = 0, False
        async with aclosing(self._pages(asked, token)) as pages:
            async for page in pages:
                version = version or page.resource_version
                items += page.items
                more = page.more or len(items) > asked.limit
                if len(items) >= asked.limit:
                    break
        del items[asked.limit :]
        head = _head(asked, version, last=items[-1].name if more else "")
        to_json = self._representation.to_json
        return head | {"items": [to_json(item, asked.target) for item in items]}

    async def _pages(
        self, asked: ListQuery, token: Sensitive[str]
    ) -> AsyncGenerator[PageOf[ItemT], None]:
        after_name, more = asked.start.after_name, True
        while more:
            ask = PageAsk(
                namespace=asked.target.namespace,
                selector=asked.selector,
                page_size=min(asked.limit or PAGE_SIZE, PAGE_SIZE),
                after_name=after_name,
            )
            page = await self._client.list_page(ask, token=token)
            yield page
            more = page.more
            after_name = page.items[-1].name if more else ""

    async def _document(
        self, asked: ListQuery, first: PageOf[ItemT], rest: AsyncGenerator[PageOf[ItemT], None]
    ) -> AsyncIterator[bytes]:
        head = msgspec.json.encode(_head(asked, first.resource_version, last=""))
        yield (
            head.removesuffix(b"}") + b',"items":[' + self._joined(first.items, asked.target)
        )
        del first
        async with aclosing(rest):
            async for page in rest:
                if page.items:
                    yield b"," + self._joined(page.items, asked.target)
        yield b"]}"

    def _joined(self, items: Iterable[ItemT], target: Target) -> bytes:
        to_json = self._representation.to_json
        return b",".join(msgspec.json.encode(to_json(item, target)) for item in items)


def _head(asked: ListQuery, version: int, *, last: str) -> JsonObject:
    """Everything but the items. With a last item, the list goes on after it."""
    version = asked.start.resource_version or version
    metadata: JsonObject = {"resourceVersion": str(version)}
    if last:
        metadata["continue"] = continue_token(
            Position(resource_version=version, after_name=last),
            namespace=asked.target.namespace,
            selector=asked.selector,
        )
    return {
        "kind": f"{asked.target.kind.name}List",
        "apiVersion": asked.target.api_version,
        "metadata": metadata,
    }
