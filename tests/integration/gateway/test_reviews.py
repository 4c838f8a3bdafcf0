"""What callers may do, told to themselves: in kubectl's binary form, in JSON and in YAML."""

from typing import Any

import pytest

from protos.splitkeep.kubernetes.v1 import reviews_pb2
from tests.fakes.gateway.store import ADMIN, READER
from tests.integration.gateway.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

GROUP = "/apis/authorization.k8s.io/v1"
ACCESS = f"{GROUP}/selfsubjectaccessreviews"
RULES = f"{GROUP}/selfsubjectrulesreviews"
BINARY = "application/vnd.kubernetes.protobuf"
KUBECTL_TAKES = f"{BINARY},application/json"
OURS = {"namespace": "default", "group": "secret.grafana.app", "resource": "securevalues"}


async def ask(
    gateway: Gateway, path: str, spec: Any, token: str | None = ADMIN
) -> tuple[int, Any]:
    async with gateway.http(token) as http:
        answer = await http.post(path, json={"spec": spec})
    return answer.status_code, answer.json()


async def may(gateway: Gateway, token: str, **attributes: str) -> bool:
    spec = {"resourceAttributes": OURS | attributes}
    code, answered = await ask(gateway, ACCESS, spec, token)
    assert (code, answered["kind"]) == (201, "SelfSubjectAccessReview")
    allowed: bool = answered["status"]["allowed"]
    return allowed


def binary(
    kind: str, message: Any, *, group: str = "authorization.k8s.io", **changes: Any
) -> bytes:
    """As client-go writes it."""
    type_meta = reviews_pb2.TypeMeta(api_version=f"{group}/v1", kind=kind)
    envelope = reviews_pb2.Unknown(type_meta=type_meta, raw=message.SerializeToString())
    for name, value in changes.items():
        setattr(envelope, name, value)
    return b"k8s\0" + envelope.SerializeToString()


def access_review(**attributes: str) -> Any:
    asked = reviews_pb2.ResourceAttributes(**(OURS | attributes))
    return reviews_pb2.SelfSubjectAccessReview(
        spec=reviews_pb2.AccessReviewSpec(resource_attributes=asked)
    )


async def send(gateway: Gateway, path: str, body: bytes, content_type: str = BINARY) -> Any:
    async with gateway.http() as http:
        headers = {"Content-Type": content_type, "Accept": KUBECTL_TAKES}
        return await http.post(path, content=body, headers=headers)


async def test_metadata_decides_by_the_callers_own_token(gateway: Gateway) -> None:
    assert await may(gateway, ADMIN, verb="create")
    assert await may(gateway, READER, verb="get")
    assert not await may(gateway, READER, verb="create")


async def test_everything_that_is_asked_reaches_metadata(gateway: Gateway) -> None:
    asked = {"verb": "create", "resource": "keepers", "subresource": "activate", "name": "aws"}

    assert await may(gateway, ADMIN, **asked)

    rpc, request = gateway.store.calls[-1]
    assert rpc == "access.Review"
    assert {field.name: value for field, value in request.ListFields()} == {
        "namespace": "default",
        **asked,
    }


async def test_kubectl_asks_in_its_binary_form_and_is_answered_in_json(
    gateway: Gateway,
) -> None:
    body = binary("SelfSubjectAccessReview", access_review(verb="delete", name="one"))

    answer = await send(gateway, ACCESS, body)

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"]["allowed"] is True
    assert answer.json()["spec"] == {
        "resourceAttributes": OURS | {"verb": "delete", "name": "one"}
    }
    assert gateway.store.calls[-1][1].name == "one"


async def test_kubectl_lists_in_its_binary_form(gateway: Gateway) -> None:
    spec = reviews_pb2.RulesReviewSpec(namespace="default")
    review = reviews_pb2.SelfSubjectRulesReview(spec=spec)

    answer = await send(gateway, RULES, binary("SelfSubjectRulesReview", review))

    assert (answer.status_code, answer.json()["status"]["incomplete"]) == (201, False)


async def test_yaml_is_read_too(gateway: Gateway) -> None:
    text = (
        "apiVersion: authorization.k8s.io/v1\nkind: SelfSubjectAccessReview\n"
        "spec: {nonResourceAttributes: {path: /apis, verb: get}}\n"
    )

    answer = await send(gateway, ACCESS, text.encode(), "application/yaml")

    assert (answer.status_code, answer.json()["status"]) == (201, {"allowed": True})


async def may_at(gateway: Gateway, path: str, verb: str) -> bool:
    spec = {"nonResourceAttributes": {"path": path, "verb": verb}}
    allowed: bool = (await ask(gateway, ACCESS, spec))[1]["status"]["allowed"]
    return allowed


@pytest.mark.parametrize(
    ("path", "verb"), [("/healthz", "get"), ("/docs", "HEAD"), ("/apis/", "get")]
)
async def test_paths_that_anyone_may_read_are_told_as_such(
    gateway: Gateway, path: str, verb: str
) -> None:
    assert await may_at(gateway, path, verb)


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        ("/openapi/v3", "post"),
        ("/metrics", "get"),
        ("/", "get"),
        ("/api/v1/namespaces/{namespace}", "get"),
        ("/apis/secret.grafana.app/v1/namespaces/default/securevalues", "get"),
    ],
)
async def test_no_other_path_is_told_as_public(gateway: Gateway, path: str, verb: str) -> None:
    assert not await may_at(gateway, path, verb)


@pytest.mark.parametrize(
    "attributes",
    [
        {"group": "", "resource": "secrets"},
        {"group": "apps", "resource": "deployments"},
        {"group": "*", "resource": "*", "verb": "*"},
        {"group": "SECRET.GRAFANA.APP"},
        {"group": "authorization.k8s.io", "resource": "subjectaccessreviews", "verb": "create"},
        {"group": "authorization.k8s.io", "resource": "selfsubjectaccessreviews"},
    ],
    ids=str,
)
async def test_what_is_not_here_is_not_allowed(
    gateway: Gateway, attributes: dict[str, str]
) -> None:
    assert not await may(gateway, ADMIN, **({"verb": "get"} | attributes))


async def test_a_caller_may_ask_what_it_may_do(gateway: Gateway) -> None:
    group = {"group": "authorization.k8s.io", "resource": "selfsubjectrulesreviews"}

    assert await may(gateway, READER, verb="create", **group)


async def test_the_rules_are_metadatas_and_what_everyone_may(gateway: Gateway) -> None:
    code, answered = await ask(gateway, RULES, {"namespace": "default"}, READER)

    rules = answered["status"]["resourceRules"]
    assert (code, answered["kind"]) == (201, "SelfSubjectRulesReview")
    assert rules == [
        {
            "verbs": ["get", "list", "watch"],
            "resources": ["securevalues", "keepers"],
            "apiGroups": ["secret.grafana.app"],
        },
        {
            "verbs": ["create"],
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        },
        {
            "verbs": ["create"],
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["selfsubjectreviews"],
        },
    ]
    public = answered["status"]["nonResourceRules"][0]
    assert public["verbs"] == ["get", "head"]
    assert {"/apis", "/version", "/docs", "/openapi/v3"} <= set(public["nonResourceURLs"])


@pytest.mark.parametrize(
    "spec",
    [
        {"resourceAttributes": OURS | {"verb": "get"}},
        {"resourceAttributes": {"group": "apps", "verb": "get"}},
        {"nonResourceAttributes": {"path": "/healthz", "verb": "get"}},
    ],
    ids=str,
)
async def test_a_token_that_is_not_valid_is_told_nothing(gateway: Gateway, spec: Any) -> None:
    for token in ("forged", None):
        code, answered = await ask(gateway, ACCESS, spec, token)
        assert (code, answered["reason"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("path", "spec", "reason", "field"),
    [
        (ACCESS, {}, "FieldValueRequired", "spec.resourceAttributes"),
        (
            ACCESS,
            {"resourceAttributes": OURS, "nonResourceAttributes": {"path": "/"}},
            "FieldValueInvalid",
            "spec.resourceAttributes",
        ),
        (RULES, {}, "FieldValueRequired", "spec.namespace"),
    ],
)
async def test_a_review_of_nothing_is_invalid(
    gateway: Gateway, path: str, spec: Any, reason: str, field: str
) -> None:
    code, answered = await ask(gateway, path, spec)

    causes = answered["details"]["causes"]
    assert (code, answered["reason"]) == (422, "Invalid")
    assert [(cause["reason"], cause["field"]) for cause in causes] == [(reason, field)]
    assert answered["details"]["group"] == "authorization.k8s.io"


BROKEN = {
    "nothing": b"",
    "no magic": binary("SelfSubjectAccessReview", access_review())[4:],
    "only the magic": b"k8s\0",
    "a cut envelope": binary("SelfSubjectAccessReview", access_review())[:-3],
    "another kind": binary("SelfSubjectRulesReview", access_review()),
    "a compressed object": binary(
        "SelfSubjectAccessReview", access_review(), content_encoding="gzip"
    ),
    "no object": binary("SelfSubjectAccessReview", access_review(), raw=b"\xff\xff\xff"),
    "a long attribute": binary("SelfSubjectAccessReview", access_review(name="n" * 1_025)),
    "a group of two": b"k8s\0" + b"\x0b" * 100,
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_binary_body_that_is_none_is_a_bad_request(gateway: Gateway, case: str) -> None:
    answer = await send(gateway, ACCESS, BROKEN[case])

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert gateway.store.calls == []


async def test_a_binary_body_beyond_the_bound_is_cut_off(gateway: Gateway) -> None:
    answer = await send(gateway, ACCESS, b"k8s\0" + bytes(2_000_000))

    assert answer.status_code == 413


async def test_no_other_path_reads_the_binary_form(gateway: Gateway) -> None:
    path = "/apis/secret.grafana.app/v1/namespaces/default/securevalues"

    answer = await send(gateway, path, BROKEN["only the magic"])

    assert answer.status_code == 415


IDENTITY = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WHOAMI = {
    "json": (b"{}", "application/json"),
    "binary": (
        binary(
            "SelfSubjectReview",
            reviews_pb2.SelfSubjectReview(),
            group="authentication.k8s.io",
        ),
        BINARY,
    ),
}


@pytest.mark.parametrize("form", WHOAMI)
async def test_a_caller_is_told_who_it_is(gateway: Gateway, form: str) -> None:
    answer = await send(gateway, IDENTITY, *WHOAMI[form])

    told = answer.json()
    assert (answer.status_code, told["kind"]) == (201, "SelfSubjectReview")
    assert told["apiVersion"] == "authentication.k8s.io/v1"
    assert told["status"]["userInfo"] == {
        "username": "user:somebody",
        "groups": ["create", "delete", "read", "write", "system:authenticated"],
        "extra": {
            "access.splitkeep.dev/issuer": ["https://issuer.example"],
            "access.splitkeep.dev/namespace": ["default"],
        },
    }


async def test_nobody_is_told_who_they_are_without_a_valid_token(gateway: Gateway) -> None:
    for token in (None, "no-token"):
        code, _ = await ask(gateway, IDENTITY, {}, token)
        assert code == 401


async def test_a_review_is_of_its_own_group_and_kind(gateway: Gateway) -> None:
    misplaced = binary("SelfSubjectReview", reviews_pb2.SelfSubjectReview())

    assert (await send(gateway, IDENTITY, misplaced)).status_code == 400
    assert (await send(gateway, ACCESS, *WHOAMI["binary"])).status_code == 400
