"""PATCH: the object as it is, changed as the body says, and written as it was read.

- A patch sees all but what can only be written; the result is a whole object, which metadata
  and the vault check like any other.
- It is written at the resourceVersion that was read. Where another writer was faster it is read
  and patched again, unless the client itself named the version that it means.
- Who may write and not read learns no more than the object's identity from it.
"""

from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.bodies.body import read_document
from gateway.bodies.content_type import PATCH_TYPES
from gateway.clients.resources import Resources
from gateway.kinds import Target
from gateway.patches.reading import PatchRead, patch_from
from gateway.queries.write_query import WriteQuery, write_query_from
from gateway.rendering.answers import answer
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.resources.patching import Patching

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")


class Patches(Generic[ItemT, WriteT]):
    """Patches of one kind."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
    ) -> None:
        self._client = client
        self._representation = representation

    async def patch(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """PATCH: 200 and the object; 201 when an apply has created it."""
        asked = write_query_from(request, target)
        patching = Patching(
            client=self._client,
            representation=self._representation,
            target=target,
            asked=asked,
            read=await self._read(request, asked),
            token=token,
        )
        outcome = await patching.until_written()
        return answer(
            outcome.document,
            request,
            status_code=outcome.status_code,
            warnings=outcome.warnings,
        )

    async def _read(self, request: Request, asked: WriteQuery) -> PatchRead:
        media_type, document = await read_document(request, PATCH_TYPES)
        return patch_from(media_type, document, asked, self._representation)
