"""DELETE of one object and of a collection."""

import asyncio
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import DeadlineExceededError
from chassis.sensitive import Sensitive
from gateway.bodies.body import read_object_if_any
from gateway.clients.resources import DeletePageAsk, Resources
from gateway.errors import BadRequestError
from gateway.kinds import Target
from gateway.queries.delete_options import delete_options_from
from gateway.queries.ordering import refuse_ordering
from gateway.queries.query import Query, query_from
from gateway.rendering.answers import answer
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.selectors.selection import selector_from
from gateway.status import success

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")

COLLECTION_SECONDS = 60.0
"""How long one request may delete; what is gone by then stays gone."""


class Deletes(Generic[ItemT, WriteT]):
    """Deletes of one kind."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
    ) -> None:
        self._client = client
        self._representation = representation

    async def delete(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """DELETE of one: 200 and a `Status` that names what is gone."""
        query = query_from(request.scope["query_string"])
        options = delete_options_from(await read_object_if_any(request), query)
        gone = await self._client.delete(
            namespace=target.namespace, name=target.name, options=options, token=token
        )
        return answer(success(target, uid=gone.uid), request)

    async def delete_collection(
        self, target: Target, request: Request, token: Sensitive[str]
    ) -> Response:
        """DELETE of those selected that the caller may delete: 200 and a `Status`.

        Every object is deleted by itself: after a failure, what is gone stays gone. Raises
        DeadlineExceededError when there are more than COLLECTION_SECONDS are enough for.
        """
        query = query_from(request.scope["query_string"])
        ask = _ask(target, query, await read_object_if_any(request))
        try:
            async with asyncio.timeout(COLLECTION_SECONDS):
                await self._delete_pages(ask, token)
        except TimeoutError:
            raise DeadlineExceededError from None
        return answer(success(target), request)

    async def _delete_pages(self, ask: DeletePageAsk, token: Sensitive[str]) -> None:
        more = True
        while more:
            page = await self._client.delete_page(ask, token=token)
            ask = ask.following(page.after_name)
            more = bool(page.after_name)


def _ask(target: Target, query: Query, tree: dict[str, object]) -> DeletePageAsk:
    """The first page. Raises BadRequestError."""
    for name in ("limit", "continue"):
        if query.text(name) not in {"", "0"}:
            raise BadRequestError(f"{name}: a collection is deleted as a whole")
    refuse_ordering(query, "is for lists; a collection is deleted by selectors")
    selector = selector_from(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        kind=target.kind,
        namespace=target.namespace,
    )
    return DeletePageAsk(
        namespace=target.namespace,
        selector=selector,
        options=delete_options_from(tree, query),
    )
