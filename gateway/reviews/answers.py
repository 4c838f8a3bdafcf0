"""The two reviews: parse, ask metadata, answer. metadata decides; nothing is decided here.

What metadata cannot know is told without it, once it has accepted the caller's token: other
groups have no resources here, there is no list over namespaces, and public paths are public.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.bodies.body import read_bytes, read_object
from gateway.bodies.content_type import JSON, OBJECT_TYPES, content_type_of
from gateway.bodies.request_json import JsonObject
from gateway.clients.access import AccessClient
from gateway.discovery.groups import (
    ACCESS_REVIEW,
    AUTHORIZATION,
    RULES_REVIEW,
    SECRETS,
)
from gateway.edge.paths import canonical_path
from gateway.kinds import Target
from gateway.rendering.answers import answer
from gateway.reviews.questions import (
    API_VERSION,
    PathQuestion,
    Question,
    ResourceQuestion,
    namespace_from_binary,
    namespace_from_json,
    question_from_binary,
    question_from_json,
)
from protos.splitkeep.metadata.v1.access_pb2 import AccessRule, ReviewAccessRequest

T = TypeVar("T")

BINARY = "application/vnd.kubernetes.protobuf"
READING = ("get", "head")
REVIEWS = tuple(resource.kind.plural for resource in AUTHORIZATION.resources)
ANY_QUESTION = ReviewAccessRequest(namespace="default", resource="securevalues", verb="get")
"""Asked only to have the token looked at."""


async def read(
    request: Request, *, json: Callable[[JsonObject], T], binary: Callable[[bytes], T]
) -> T:
    """What the body asks, in whichever form. Raises what both readers and read_object raise."""
    media_type = content_type_of(request.headers, (*OBJECT_TYPES, BINARY), default=JSON)
    if media_type == BINARY:
        return binary(bytes(await read_bytes(request)))
    return json(await read_object(request))


class Reviews:
    """Answers what callers ask about themselves. Methods raise what AccessClient raises."""

    def __init__(self, access: AccessClient, *, public_paths: Iterable[str]) -> None:
        self._access = access
        # A template is no path that could be asked about.
        self._public = tuple(sorted(path for path in public_paths if "{" not in path))

    async def access(
        self, _target: Target, request: Request, token: Sensitive[str]
    ) -> Response:
        """SelfSubjectAccessReview: 201, and whether the caller may."""
        question = await read(request, json=question_from_json, binary=question_from_binary)
        allowed, reason = await self._decide(question, token)
        status: JsonObject = {"allowed": allowed} | ({"reason": reason} if reason else {})
        document = _review(ACCESS_REVIEW.name, _spec(question), status)
        return answer(document, request, status_code=201)

    async def rules(self, _target: Target, request: Request, token: Sensitive[str]) -> Response:
        """SelfSubjectRulesReview: 201, and everything the caller may do in the namespace."""
        namespace = await read(request, json=namespace_from_json, binary=namespace_from_binary)
        rules = await self._access.rules(namespace=namespace, token=token)
        status: JsonObject = {
            "resourceRules": [
                *(_rule(rule) for rule in rules),
                {
                    "verbs": ["create"],
                    "apiGroups": [AUTHORIZATION.name],
                    "resources": [*REVIEWS],
                },
            ],
            "nonResourceRules": [{"verbs": [*READING], "nonResourceURLs": [*self._public]}],
            "incomplete": False,
        }
        document = _review(RULES_REVIEW.name, {"namespace": namespace}, status)
        return answer(document, request, status_code=201)

    async def _decide(self, question: Question, token: Sensitive[str]) -> tuple[bool, str]:
        if isinstance(question, ResourceQuestion) and question.group == SECRETS.name:
            decided = await self._access.review(_request(question), token=token)
            return decided.allowed, decided.reason
        await self._access.review(ANY_QUESTION, token=token)
        if isinstance(question, PathQuestion):
            path = canonical_path(question.path)
            return path in self._public and question.verb.lower() in READING, ""
        allowed = _is_a_review(question)
        return allowed, "" if allowed else "there is no such group, resource or verb here"


def _request(question: ResourceQuestion) -> ReviewAccessRequest:
    """Without the version: no right depends on it."""
    return ReviewAccessRequest(
        namespace=question.namespace,
        resource=question.resource,
        subresource=question.subresource,
        verb=question.verb,
        name=question.name,
    )


def _is_a_review(question: ResourceQuestion) -> bool:
    asked = (question.group, question.verb, question.subresource)
    return asked == (AUTHORIZATION.name, "create", "") and question.resource in REVIEWS


def _rule(rule: AccessRule) -> JsonObject:
    names: JsonObject = {"resourceNames": [*rule.names]} if rule.names else {}
    shared: JsonObject = {"verbs": [*rule.verbs], "resources": [*rule.resources]}
    return shared | {"apiGroups": [SECRETS.name]} | names


def _review(kind: str, spec: JsonObject, status: JsonObject) -> JsonObject:
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": {},
        "spec": spec,
        "status": status,
    }


def _spec(question: Question) -> JsonObject:
    given = {key: value for key, value in asdict(question).items() if value}
    of_path = isinstance(question, PathQuestion)
    return {"nonResourceAttributes" if of_path else "resourceAttributes": given}
