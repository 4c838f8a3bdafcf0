"""GET of one object, and what is read over all namespaces: nothing."""

from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import PermissionDeniedError
from chassis.sensitive import Sensitive
from gateway.clients.resources import Resources
from gateway.kinds import Target
from gateway.queries.query import query_from
from gateway.queries.resource_versions import resource_version_from
from gateway.rendering.answers import answer
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")


class Reads(Generic[ItemT, WriteT]):
    """Reads of one kind."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
    ) -> None:
        self._client = client
        self._representation = representation

    async def get(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """GET of one: 200 and the object as it is now, which no version is newer than."""
        resource_version_from(query_from(request.scope["query_string"]))
        found = await self._client.get(
            namespace=target.namespace, name=target.name, token=token
        )
        return answer(self._representation.to_json(found.item, target), request)

    async def everywhere(
        self, _target: Target, _request: Request, _token: Sensitive[str]
    ) -> Response:
        """GET over all namespaces: never. Raises PermissionDeniedError."""
        raise PermissionDeniedError("lists and watches are per namespace")
