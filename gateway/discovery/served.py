"""The discovery paths: every document is made once, at start. Nobody needs a token for them."""

import re
from collections.abc import Iterable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import PermissionDeniedError
from gateway.bodies.request_json import JsonObject
from gateway.discovery.documents import (
    DISCOVERY_GROUP,
    aggregated,
    api_versions,
    group_document,
    group_list,
    resource_list,
)
from gateway.discovery.groups import CORE, GROUPS, Group
from gateway.errors import NotAcceptableError
from gateway.published import Answer, Published
from gateway.rendering.accept import MediaRange, media_ranges

JSON = "application/json"
_KUBECTL = re.compile(r"kubectl[^/ ]*/")
"""What client-go makes of the program's name; some distributions add a version to it."""
_VARIES_BY_CLIENT = {"vary": "accept, accept-encoding, user-agent"}
AGGREGATED_VERSIONS = ("v2", "v2beta1")


def discovery_paths(*, namespace: str) -> dict[str, Answer]:
    """What is answered where; `namespace` is what clients are told that theirs is."""
    documents: dict[str, Answer] = {
        "/api": CoreVersions(CORE).answer,
        **_of_versions(CORE, "/api"),
        "/api/v1/namespaces/{namespace}": _refuse_namespaces,
        "/apis": AggregatedDocument(group_list(GROUPS), GROUPS).answer,
        "/bootdata": _plain({"settings": {"namespace": namespace}}),
    }
    for group in GROUPS:
        documents[f"/apis/{group.name}"] = _plain(group_document(group))
        documents |= _of_versions(group, f"/apis/{group.name}")
    return documents


def _of_versions(group: Group, path: str) -> dict[str, Answer]:
    return {
        f"{path}/{version}": _plain(resource_list(group, version)) for version in group.versions
    }


async def _refuse_namespaces(_request: Request) -> Response:
    """Where kubectl asks when it finds no object; a 404 would hide that it is the object.

    Raises PermissionDeniedError.
    """
    raise PermissionDeniedError("namespaces are not objects of this API")


def plain_answer(published: Published) -> Answer:
    """Answers with the document, to a client that takes plain JSON."""

    async def answer(request: Request) -> Response:
        _require_json(request)
        return await published.answer(request)

    return answer


def _require_json(request: Request) -> None:
    """Raises NotAcceptableError unless the client takes plain JSON."""
    if not any(takes_plain_json(taken) for taken in _ranges(request)):
        raise NotAcceptableError


def _plain(document: JsonObject) -> Answer:
    return plain_answer(_published(document, JSON))


class AggregatedDocument:
    """Answers as a plain list, or as the one document that tells of every resource."""

    def __init__(self, document: JsonObject, groups: Iterable[Group]) -> None:
        self._plain = _published(document, JSON)
        self._aggregated = {
            version: _published(aggregated(groups, version), _media_type(version))
            for version in AGGREGATED_VERSIONS
        }

    async def answer(
        self, request: Request, headers: Mapping[str, str] | None = None
    ) -> Response:
        """The first form that the client names and that there is. Raises NotAcceptableError."""
        for taken in _ranges(request):
            if taken.parameters.get("as") == "APIGroupDiscoveryList":
                published = self._aggregated.get(taken.parameters.get("v", ""))
            else:
                published = self._plain if takes_plain_json(taken) else None
            if published is not None and not taken.is_refused:
                return await published.answer(request, headers)
        raise NotAcceptableError


class CoreVersions:
    """Answers `/api`: the version of the group without a name, to clients that need it.

    gcx and grafanactl read every version that is listed as `group/version` and end at one
    without a group. kubectl reads a `v1` `List` only where `v1` is listed. So it is listed
    below the prefix for Kubernetes' clients, and to kubectl everywhere: a kubeconfig from
    before there was a prefix names the server alone.
    """

    def __init__(self, core: Group) -> None:
        self._listed = AggregatedDocument(api_versions(core.versions), (core,))
        self._unlisted = AggregatedDocument(api_versions(()), ())

    async def answer(self, request: Request) -> Response:
        """Raises NotAcceptableError."""
        document = self._listed if _needs_core(request) else self._unlisted
        return await document.answer(request, _VARIES_BY_CLIENT)


def _needs_core(request: Request) -> bool:
    agent = request.headers.get("user-agent", "")
    return bool(request.scope["root_path"]) or _KUBECTL.match(agent) is not None


def _published(document: JsonObject, media_type: str) -> Published:
    return Published(msgspec.json.encode(document), media_type)


def _media_type(version: str) -> str:
    return f"{JSON};g={DISCOVERY_GROUP};v={version};as=APIGroupDiscoveryList"


def _ranges(request: Request) -> tuple[MediaRange, ...]:
    return media_ranges(request.headers.getlist("accept"))


def takes_plain_json(taken: MediaRange) -> bool:
    """Whether JSON with no word on its shape is what the client takes here."""
    return taken.covers(JSON) and "as" not in taken.parameters and not taken.is_refused
