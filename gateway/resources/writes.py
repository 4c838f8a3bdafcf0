"""POST and PUT: whole objects. What is allowed is decided elsewhere."""

from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.bodies.body import object_in, read_document
from gateway.bodies.content_type import JSON, OBJECT_TYPES
from gateway.bodies.field_validation import problems_in, warnings_of
from gateway.clients.resources import Resources, WriteOptions
from gateway.edge.request_state import name_target
from gateway.kinds import Target
from gateway.queries.write_query import WriteQuery, idempotency_key_of, write_query_from
from gateway.rendering.answers import answer
from gateway.representation.object_meta import StoredObject, name_in
from gateway.representation.representation import Representation, as_told

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
        asked = write_query_from(request, target)
        options = WriteOptions(
            dry_run=asked.dry_run, idempotency_key=idempotency_key_of(request.headers)
        )
        write, warnings = await self._write_of(target, request, asked)
        made = await self._client.create(write, options=options, token=token)
        document = self._representation.to_json(made, target)
        return answer(document, request, status_code=201, warnings=warnings)

    async def replace(
        self, target: Target, request: Request, token: Sensitive[str]
    ) -> Response:
        """PUT: 200 and the object; without `spec.value` the value stays as it is.

        Who may write and not read is told which object it is, and no more.
        """
        asked = write_query_from(request, target)
        options = WriteOptions(dry_run=asked.dry_run)
        write, warnings = await self._write_of(target, request, asked)
        made = await self._client.update(write, options=options, token=token)
        document = as_told(made, self._representation, target)
        return answer(document, request, warnings=warnings)

    async def _write_of(
        self, target: Target, request: Request, asked: WriteQuery
    ) -> tuple[WriteT, tuple[str, ...]]:
        """Parses in a frame of its own: of the body, only what the write needs outlives it."""
        _, document = await read_document(request, OBJECT_TYPES, default=JSON)
        tree = object_in(document)
        if not target.name:
            name_target(request.scope, name_in(tree))
        problems = problems_in(tree, self._representation.schema, document.repeated)
        warnings = warnings_of(problems, asked.validation)
        return self._representation.write_from(tree, target, asked.manager), warnings
