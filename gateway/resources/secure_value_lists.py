"""Lists of secure values: a page when a limit is asked for, else the whole as a stream.

- At most one page is held at a time, however long the list is.
- Every page of one list carries the counter that was read before the first row of the first:
  a watch from there misses nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from chassis.sensitive import Sensitive
from gateway.clients import SecureValuesClient
from gateway.errors import BadRequestError, MethodNotAllowedError
from gateway.kinds import Target
from gateway.paging import MAX_LIMIT, Position, continue_token, position_from
from gateway.query import Query
from gateway.representation import secure_value_to_json
from gateway.request_json import JsonObject
from gateway.selectors import Selection, selection_from
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValue
from protos.splitkeep.metadata.v1.secure_values_pb2 import ListSecureValuesResponse

PAGE_SIZE = 100
"""Secure values asked of metadata at a time: with annotations of the greatest length these stay
below what one gRPC answer may be.
"""

START = Position(resource_version=0, after_name="")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which part of which list is asked for. A limit of 0 is none."""

    target: Target
    selection: Selection
    limit: int
    start: Position


def list_query_from(query: Query, target: Target) -> ListQuery:
    """Raises BadRequestError, or MethodNotAllowedError for what is a watch."""
    if query.flag("watch"):
        raise MethodNotAllowedError("watch is not supported", allowed=("GET", "POST"))
    if query.text("resourceVersionMatch") not in {"", "NotOlderThan"}:
        raise BadRequestError("resourceVersionMatch: must be NotOlderThan")
    selection = selection_from(
        label_selector=query.text("labelSelector"), field_selector=query.text("fieldSelector")
    )
    token = query.text("continue")
    start = (
        position_from(token, namespace=target.namespace, selection=selection)
        if token
        else START
    )
    limit = min(query.count("limit"), MAX_LIMIT)
    return ListQuery(target=target, selection=selection, limit=limit, start=start)


class SecureValueLists:
    """Reads lists from metadata. Its methods raise what SecureValuesClient.list_page raises."""

    def __init__(self, client: SecureValuesClient) -> None:
        self._client = client

    async def page(self, asked: ListQuery, token: Sensitive[str]) -> JsonObject:
        """At most `asked.limit` items, and where the list goes on, if it does."""
        items: list[SecureValue] = []
        version, more = 0, False
        async with aclosing(self._pages(asked, token)) as pages:
            async for page in pages:
                version = version or page.resource_version
                items += page.secure_values
                more = page.more or len(items) > asked.limit
                if len(items) >= asked.limit:
                    break
        del items[asked.limit :]
        head = _head(asked, version, last=items[-1] if more else None)
        return head | {"items": [secure_value_to_json(item, asked.target) for item in items]}

    async def whole(self, asked: ListQuery, token: Sensitive[str]) -> AsyncIterator[bytes]:
        """The whole list as one JSON document in parts, once its first page has been read."""
        pages = self._pages(asked, token)
        return _document(asked, await anext(pages), pages)

    async def _pages(
        self, asked: ListQuery, token: Sensitive[str]
    ) -> AsyncGenerator[ListSecureValuesResponse, None]:
        after_name, more = asked.start.after_name, True
        while more:
            page = await self._client.list_page(
                asked.selection,
                namespace=asked.target.namespace,
                page_size=min(asked.limit or PAGE_SIZE, PAGE_SIZE),
                after_name=after_name,
                token=token,
            )
            yield page
            more = page.more
            after_name = page.secure_values[-1].name if more else ""


async def _document(
    asked: ListQuery,
    first: ListSecureValuesResponse,
    rest: AsyncGenerator[ListSecureValuesResponse, None],
) -> AsyncIterator[bytes]:
    head = msgspec.json.encode(_head(asked, first.resource_version, last=None))
    yield head.removesuffix(b"}") + b',"items":[' + _joined(first.secure_values, asked.target)
    del first
    async with aclosing(rest):
        async for page in rest:
            if page.secure_values:
                yield b"," + _joined(page.secure_values, asked.target)
    yield b"]}"


def _joined(items: Iterable[SecureValue], target: Target) -> bytes:
    return b",".join(msgspec.json.encode(secure_value_to_json(item, target)) for item in items)


def _head(asked: ListQuery, version: int, *, last: SecureValue | None) -> JsonObject:
    """Everything but the items. With a last item, the list goes on after it."""
    version = asked.start.resource_version or version
    metadata: JsonObject = {"resourceVersion": str(version)}
    if last is not None:
        metadata["continue"] = continue_token(
            Position(resource_version=version, after_name=last.name),
            namespace=asked.target.namespace,
            selection=asked.selection,
        )
    return {
        "kind": f"{asked.target.kind.name}List",
        "apiVersion": asked.target.api_version,
        "metadata": metadata,
    }
