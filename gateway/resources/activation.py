"""`POST keepers/{name}/activate`: where a namespace's new values are kept from here on."""

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.bodies.body import read_object_if_any
from gateway.clients.keepers import KeepersClient
from gateway.kinds import Target
from gateway.queries.query import dry_run, query_from
from gateway.rendering.answers import answer
from gateway.representation.keepers import KeeperRepresentation
from gateway.representation.representation import as_told
from gateway.status import success


class Activation:
    """The subresource `activate` of keepers."""

    def __init__(self, client: KeepersClient, representation: KeeperRepresentation) -> None:
        self._client = client
        self._representation = representation

    async def activate(
        self, target: Target, request: Request, token: Sensitive[str]
    ) -> Response:
        """POST: 200 and the keeper; for `system`, which is no object, a `Status`.

        A body says nothing here, and may be left out. Who may not read the keeper is told which
        one it is, and no more.
        """
        query = query_from(request.scope["query_string"])
        await read_object_if_any(request)
        keeper = await self._client.activate(
            namespace=target.namespace,
            name=target.name,
            dry_run=dry_run(query.all("dryRun"), field="dryRun"),
            token=token,
        )
        if keeper is None:
            return answer(success(target), request)
        return answer(as_told(keeper, self._representation, target), request)
