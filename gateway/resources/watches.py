"""Watches: what happens to one kind's objects, as a stream of events."""

from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.clients.resources import Resources
from gateway.errors import MethodNotAllowedError
from gateway.kinds import Target
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")


class Watches(Generic[ItemT, WriteT]):
    """Watches of one kind."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
    ) -> None:
        self._client = client
        self._representation = representation

    async def watch(
        self, _target: Target, _request: Request, _token: Sensitive[str]
    ) -> Response:
        """GET of the collection with `watch`. Raises MethodNotAllowedError."""
        raise MethodNotAllowedError("watch is not supported", allowed=("GET", "POST"))
