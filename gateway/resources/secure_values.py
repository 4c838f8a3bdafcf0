"""The verbs of `securevalues`: parse, call, represent. What is allowed is decided elsewhere."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.errors import PermissionDeniedError
from chassis.sensitive import Sensitive
from gateway.body import read_object, read_object_if_any
from gateway.clients import SecureValuesClient
from gateway.delete_options import delete_options_from
from gateway.kinds import Target
from gateway.query import dry_run, query_from
from gateway.representation import (
    SecureValueWrite,
    secure_value_from_json,
    secure_value_to_json,
)
from gateway.request_json import JsonObject
from gateway.request_state import name_target
from gateway.resources.secure_value_lists import SecureValueLists, list_query_from
from gateway.status import success_of_delete


class SecureValuesResource:
    """One method per verb, in the order of the API's documentation."""

    def __init__(self, client: SecureValuesClient) -> None:
        self._client = client
        self._lists = SecureValueLists(client)

    async def create(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """POST to the collection: 201 and the new object."""
        query = query_from(request.scope["query_string"])
        dry = dry_run(query.all("dryRun"), field="dryRun")
        write = await _write_of(request, target)
        name_target(request.scope, write.draft.name)
        made = await self._client.create(write, dry_run=dry, token=token)
        return _json(secure_value_to_json(made, target), status_code=201)

    async def list(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """GET of the collection: a page if a limit is given, else all of it as a stream."""
        asked = list_query_from(query_from(request.scope["query_string"]), target)
        if asked.limit:
            return _json(await self._lists.page(asked, token))
        document = await self._lists.whole(asked, token)
        return StreamingResponse(document, media_type="application/json")

    async def get(self, target: Target, _request: Request, token: Sensitive[str]) -> Response:
        """GET of one: 200 and the object."""
        found = await self._client.get(
            namespace=target.namespace, name=target.name, token=token
        )
        return _json(secure_value_to_json(found, target))

    async def replace(
        self, target: Target, request: Request, token: Sensitive[str]
    ) -> Response:
        """PUT: 200 and the object; without `spec.value` the value stays as it is."""
        query = query_from(request.scope["query_string"])
        dry = dry_run(query.all("dryRun"), field="dryRun")
        write = await _write_of(request, target)
        made = await self._client.update(write, dry_run=dry, token=token)
        return _json(secure_value_to_json(made, target))

    async def delete(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """DELETE of one: 200 and a `Status` that names what is gone."""
        query = query_from(request.scope["query_string"])
        options = delete_options_from(await read_object_if_any(request), query)
        gone = await self._client.delete(
            namespace=target.namespace, name=target.name, options=options, token=token
        )
        return _json(success_of_delete(target, gone.uid))

    async def list_everywhere(
        self, _target: Target, _request: Request, _token: Sensitive[str]
    ) -> Response:
        """GET over all namespaces: never. Raises PermissionDeniedError."""
        raise PermissionDeniedError("lists are per namespace")


async def _write_of(request: Request, target: Target) -> SecureValueWrite:
    """Parses in a frame of its own: of the body, only what the write needs outlives it."""
    return secure_value_from_json(await read_object(request), target)


def _json(document: JsonObject, *, status_code: int = 200) -> Response:
    return Response(
        msgspec.json.encode(document), status_code=status_code, media_type="application/json"
    )
