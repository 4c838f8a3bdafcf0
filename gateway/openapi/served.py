"""The OpenAPI paths: every document is made once, at start. Nobody needs a token for them.

The index names each document's address with its hash in it, so that a client keeps a document
for good and still notices a change (Kubernetes' OpenAPI v3 discovery).
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.bodies.request_json import JsonObject
from gateway.discovery.served import JSON, plain_answer, takes_plain_json
from gateway.errors import NotAcceptableError
from gateway.openapi.documents import group_version_documents, whole_document
from gateway.published import Answer, Published
from gateway.rendering.accept import media_ranges

INDEX = "/openapi/v3"

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
PROTOBUF_ASKED_FOR = (PROTOBUF, PROTOBUF.replace("v2.v1", "v2@v1"))
"""Clients ask with an `@`, which they could not parse in an answer's header."""

NOTHING_DESCRIBED = b"\x0a\x032.0"
"""gnostic's openapi.v2.Document with nothing but field 1, `swagger: "2.0"`."""


def openapi_paths() -> dict[str, Answer]:
    """What is answered where."""
    made = {name: _published(document) for name, document in group_version_documents().items()}
    index: JsonObject = {
        "paths": {
            name: {"serverRelativeURL": f"{INDEX}/{name}?hash={published.hash}"}
            for name, published in made.items()
        }
    }
    answers = {f"{INDEX}/{name}": plain_answer(published) for name, published in made.items()}
    return answers | {
        INDEX: plain_answer(_published(index)),
        "/openapi/v2": OlderDescription(_published(whole_document())).answer,
    }


class OlderDescription:
    """Answers with the whole description as JSON, and with an empty one as protobuf.

    kubectl asks for protobuf before it reads a `List`. The empty one leaves it with the newer
    description and with the checks of this server; 406 would leave it with an error.
    """

    def __init__(self, described: Published) -> None:
        self._described = described
        self._empty = Published(NOTHING_DESCRIBED, PROTOBUF)

    async def answer(self, request: Request) -> Response:
        """The first form that the client names and that there is. Raises NotAcceptableError."""
        for taken in media_ranges(request.headers.getlist("accept")):
            if takes_plain_json(taken):
                return await self._described.answer(request)
            if taken.media_type in PROTOBUF_ASKED_FOR and not taken.is_refused:
                return await self._empty.answer(request)
        raise NotAcceptableError


def _published(document: JsonObject) -> Published:
    return Published(msgspec.json.encode(document), JSON)
