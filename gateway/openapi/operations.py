"""What one operation of the API takes and answers, before it is written in either dialect."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.bodies.request_json import JsonObject
from gateway.openapi.kubernetes import STATUS
from gateway.openapi.parameters import Parameter
from gateway.openapi.schemas import GROUP_VERSION_KIND, GroupVersionKind
from gateway.schema.types import Schema

JSON = "application/json"
YAML = "application/yaml"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH_TYPE = "application/merge-patch+json"
JSON_PATCH_TYPE = "application/json-patch+json"
WATCH_STREAM = "application/json;stream=watch"

Content: TypeAlias = Mapping[str, tuple[Schema, ...]]
"""By media type: any one of the schemas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request may carry."""

    content: Content
    required: bool = True
    examples: Mapping[str, object] = field(default_factory=dict)
    """By media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered under one status code."""

    description: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """What can be done, wherever it is done."""

    name: str
    action: str
    """Kubernetes' x-kubernetes-action."""
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    answers: Mapping[int, Answer]

    @property
    def method(self) -> str:
        """The HTTP method, as OpenAPI spells it."""
        return METHODS[self.action]


METHODS = {
    "get": "get",
    "list": "get",
    "post": "post",
    "put": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One verb of one path."""

    path: str
    place: tuple[Parameter, ...]
    """What the path leaves open."""
    kind: GroupVersionKind
    tag: str
    verb: Verb

    @property
    def id(self) -> str:
        """Unique over every group and version."""
        words = [word for part in self.kind.group.split(".") for word in part.split("-")]
        place = "".join(word.capitalize() for word in (*words, self.kind.version))
        return f"{self.verb.name}{place}{'Namespaced' if self.place else ''}{self.kind.kind}"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Everything that a request says outside its body."""
        return (*self.place, *self.verb.parameters)

    def head(self) -> JsonObject:
        """What both dialects say alike."""
        return {
            "tags": [self.tag],
            "summary": self.verb.summary,
            "description": self.verb.description,
            "operationId": self.id,
            "x-kubernetes-action": self.verb.action,
            GROUP_VERSION_KIND: self.kind.to_json(),
        }


FAILURES = {
    400: "The request cannot be understood, or a strict reading found unknown fields.",
    401: "There is no valid access token.",
    403: "The caller may not do this, whether or not the object exists.",
    404: "There is no such object.",
    406: "The client takes none of the forms the answer can have.",
    408: "The body did not arrive in time.",
    409: "The name is taken, a precondition failed, a field has another manager, "
    "or the object is in use.",
    410: "The list or its history is too old to go on from; list again.",
    413: "The body is too large.",
    415: "The body is in a form that is not read here.",
    422: "A rule is broken: details.causes names each field and rule.",
    429: "The server is busy; try again.",
    431: "The request's head is too large.",
    500: "The server failed; the message names the request.",
    503: "A part of the server cannot be reached; try again.",
    504: "The answer did not come in time; or the resourceVersion asked for is not there yet.",
}

ALWAYS = (400, 401, 403, 406, 422, 429, 431, 500, 503, 504)
WITH_BODY = (408, 413, 415)


def answers(successes: dict[int, Answer], *codes: int) -> dict[int, Answer]:
    """The successes, and a Status under each code that every operation or this one can have."""
    failures = {code: shown(FAILURES[code], STATUS) for code in sorted({*ALWAYS, *codes})}
    return successes | failures


def shown(description: str, *schemas: Schema) -> Answer:
    """Any one of the schemas, in the forms that answers have."""
    return Answer(description=description, content={JSON: schemas, YAML: schemas})


TAGS = {
    "securevalues": "Secure values: what is written here is never read back.",
    "keepers": "Keepers: where values are kept.",
    "access": "What callers ask about themselves.",
}


def tags_of(operations: Iterable[Operation]) -> list[JsonObject]:
    """The tags that the operations have, each with its meaning."""
    used = {operation.tag for operation in operations}
    return [
        {"name": name, "description": meaning} for name, meaning in TAGS.items() if name in used
    ]
