"""The OpenAPI paths: every document is made once, at start. Nobody needs a token for them.

The index names each document's address with its hash in it, so that a client keeps a document
for good and still notices a change (Kubernetes' OpenAPI v3 discovery).
"""

import msgspec

from gateway.bodies.request_json import JsonObject
from gateway.discovery.served import JSON, plain_answer
from gateway.openapi.documents import group_version_documents, whole_document
from gateway.published import Answer, Published

INDEX = "/openapi/v3"


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
        "/openapi/v2": plain_answer(_published(whole_document())),
    }


def _published(document: JsonObject) -> Published:
    return Published(msgspec.json.encode(document), JSON)
