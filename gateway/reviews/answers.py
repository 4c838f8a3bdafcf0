"""The three reviews: parse, ask metadata, answer. metadata decides; nothing is decided here.

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
    AUTHENTICATION,
    AUTHORIZATION,
    IDENTITY_REVIEW,
    RULES_REVIEW,
    SECRETS,
)
from gateway.edge.paths import canonical_path
from gateway.kinds import Kind, Target
from gateway.rendering.answers import answer
from gateway.reviews.questions import (
    PathQuestion,
    Question,
    ResourceQuestion,
    api_version,
    namespace_from_binary,
    namespace_from_json,
    nothing_from_binary,
    nothing_from_json,
    question_from_binary,
    question_from_json,
)
from protos.splitkeep.metadata.v1.access_pb2 import (
    AccessRule,
    DescribeCallerResponse,
    ReviewAccessRequest,
)

T = TypeVar("T")

BINARY = "application/vnd.kubernetes.protobuf"
READING = ("get", "head")
REVIEWS = {
    group.name: tuple(resource.kind.plural for resource in group.resources)
    for group in (AUTHORIZATION, AUTHENTICATION)
}
EXTRA = "access.splitkeep.dev"
"""What the keys of `userInfo.extra` begin with."""
AUTHENTICATED = "system:authenticated"
"""The group that Kubernetes has every caller with a credential in."""
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
        document = _review(ACCESS_REVIEW, status, spec=_spec(question))
        return answer(document, request, status_code=201)

    async def rules(self, _target: Target, request: Request, token: Sensitive[str]) -> Response:
        """SelfSubjectRulesReview: 201, and everything the caller may do in the namespace."""
        namespace = await read(request, json=namespace_from_json, binary=namespace_from_binary)
        rules = await self._access.rules(namespace=namespace, token=token)
        status: JsonObject = {
            "resourceRules": [
                *(_rule(rule) for rule in rules),
                *(
                    {"verbs": ["create"], "apiGroups": [group], "resources": [*plurals]}
                    for group, plurals in REVIEWS.items()
                ),
            ],
            "nonResourceRules": [{"verbs": [*READING], "nonResourceURLs": [*self._public]}],
            "incomplete": False,
        }
        document = _review(RULES_REVIEW, status, spec={"namespace": namespace})
        return answer(document, request, status_code=201)

    async def identity(
        self, _target: Target, request: Request, token: Sensitive[str]
    ) -> Response:
        """SelfSubjectReview: 201, and who the caller is, as `kubectl auth whoami` asks."""
        await read(request, json=nothing_from_json, binary=nothing_from_binary)
        caller = await self._access.caller(token=token)
        status: JsonObject = {"userInfo": _user_info(caller)}
        return answer(_review(IDENTITY_REVIEW, status), request, status_code=201)

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
    asked = (question.verb, question.subresource)
    plurals = REVIEWS.get(question.group, ())
    return asked == ("create", "") and question.resource in plurals


def _user_info(caller: DescribeCallerResponse) -> JsonObject:
    """Kubernetes' authentication/v1 UserInfo."""
    extra = {
        "issuer": caller.issuer,
        "namespace": caller.namespace,
        "service-identity": caller.service_identity,
    }
    return {
        "username": caller.subject,
        "groups": [*caller.roles, AUTHENTICATED],
        "extra": {f"{EXTRA}/{key}": [text] for key, text in extra.items() if text},
    }


def _rule(rule: AccessRule) -> JsonObject:
    names: JsonObject = {"resourceNames": [*rule.names]} if rule.names else {}
    shared: JsonObject = {"verbs": [*rule.verbs], "resources": [*rule.resources]}
    return shared | {"apiGroups": [SECRETS.name]} | names


def _review(kind: Kind, status: JsonObject, *, spec: JsonObject | None = None) -> JsonObject:
    asked = {} if spec is None else {"spec": spec}
    head: JsonObject = {"kind": kind.name, "apiVersion": api_version(kind), "metadata": {}}
    return head | asked | {"status": status}


def _spec(question: Question) -> JsonObject:
    given = {key: value for key, value in asdict(question).items() if value}
    of_path = isinstance(question, PathQuestion)
    return {"nonResourceAttributes" if of_path else "resourceAttributes": given}
