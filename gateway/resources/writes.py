"""POST and PUT: whole objects. What is allowed is decided elsewhere."""

from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.answers import answer
from gateway.body import read_object
from gateway.clients.resources import Resources, WriteOptions
from gateway.field_manager import field_manager_from
from gateway.kinds import Target
from gateway.query import Query, dry_run, query_from
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.request_state import name_target

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")


class Writes(Generic[ItemT, WriteT]):
    """Creates and replaces of one kind."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
    ) -> None:
        self._client = client
        self._representation = representation

    async def create(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """POST to the collection: 201 and the new object."""
        query = query_from(request.scope["query_string"])
        options = WriteOptions(dry_run=dry_run(query.all("dryRun"), field="dryRun"))
        write = await self._write_of(target, request, query)
        made = await self._client.create(write, options=options, token=token)
        return answer(self._representation.to_json(made, target), request, status_code=201)

    async def replace(
        self, target: Target, request: Request, token: Sensitive[str]
    ) -> Response:
        """PUT: 200 and the object; without `spec.value` the value stays as it is."""
        query = query_from(request.scope["query_string"])
        options = WriteOptions(dry_run=dry_run(query.all("dryRun"), field="dryRun"))
        write = await self._write_of(target, request, query)
        made = await self._client.update(write, options=options, token=token)
        return answer(self._representation.to_json(made, target), request)

    async def _write_of(self, target: Target, request: Request, query: Query) -> WriteT:
        """Parses in a frame of its own: of the body, only what the write needs outlives it."""
        manager = field_manager_from(
            query, request.headers.get("user-agent", ""), api_version=target.api_version
        )
        tree = await read_object(request)
        if not target.name and isinstance(tree.get("metadata"), dict):
            name_target(request.scope, str(tree["metadata"].get("name") or ""))  # type: ignore[attr-defined]  # narrowed above
        return self._representation.write_from(tree, target, manager)
