"""DELETE of one object and of a collection."""

from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.answers import answer
from gateway.body import read_object_if_any
from gateway.clients.resources import Resources
from gateway.delete_options import delete_options_from
from gateway.kinds import Target
from gateway.query import query_from
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.status import success_of_delete

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")


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
        return answer(success_of_delete(target, gone.uid), request)
