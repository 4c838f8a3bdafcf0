"""What a request becomes on its way to the services, and what their answers become."""

import json
from typing import Any

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.integration.gateway.conftest import (
    VALUES,
    Gateway,
    lines_of_earlier_tests_are_written,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "the-value-itself-8a41"
ONE = f"{VALUES}/pg-main"


def a_body(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "pg-main"}, "spec": {"description": "d", **spec}}


def exists(gateway: Gateway) -> Any:
    draft = SecureValueDraft(namespace="default", name="pg-main", description="d")
    return gateway.store.put(draft, version=1, dry_run=False)


async def test_what_kubectl_applied_and_unknown_fields_go_no_further(gateway: Gateway) -> None:
    body = a_body(value=VALUE, keeper="aws", surprise={"deep": VALUE})
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(body)}
    stamps = {"grafana.app/createdBy": "user:other", "grafana.app/managedBy": "terraform"}
    body["metadata"] |= {"annotations": applied | stamps, "selfLink": VALUE}
    body["status"] = {"version": 9, "keeper": ""}

    async with gateway.http() as http:
        answer = await http.post(VALUES, json=body)

    assert answer.status_code == 201
    ((rpc, request),) = gateway.store.calls
    assert rpc == "vault.Create"
    assert request.value == VALUE.encode()
    assert VALUE not in str(request.draft)
    assert dict(request.draft.annotations) == {"grafana.app/managedBy": "terraform"}
    assert VALUE not in answer.text


async def test_ref_and_owners_reach_the_service_that_refuses_them(gateway: Gateway) -> None:
    body = a_body(value=VALUE, ref="elsewhere")
    owner = {"apiVersion": "a.b/v1", "kind": "K", "name": "n", "uid": "u", "controller": True}
    body["metadata"]["ownerReferences"] = [owner]

    async with gateway.http() as http:
        answer = await http.post(VALUES, json=body)

    assert answer.status_code == 422
    fields = [cause["field"] for cause in answer.json()["details"]["causes"]]
    assert fields == ["spec.ref", "metadata.ownerReferences"]


@pytest.mark.parametrize("value", ["", None, "absent"])
async def test_a_create_without_a_value_is_invalid(gateway: Gateway, value: str | None) -> None:
    body = a_body() if value == "absent" else a_body(value=value)

    async with gateway.http() as http:
        answer = await http.post(VALUES, json=body)

    (cause,) = answer.json()["details"]["causes"]
    assert answer.status_code == 422
    assert (cause["field"], cause["reason"]) == ("spec.value", "FieldValueRequired")


async def test_a_put_with_an_empty_value_is_invalid_and_keeps_nothing_silently(
    gateway: Gateway,
) -> None:
    exists(gateway)

    async with gateway.http() as http:
        answer = await http.put(ONE, json=a_body(value=""))

    assert answer.status_code == 422
    assert gateway.store.calls[-1][0] == "vault.Update"


async def test_a_put_with_a_null_value_keeps_the_value(gateway: Gateway) -> None:
    exists(gateway)

    async with gateway.http() as http:
        answer = await http.put(ONE, json=a_body(value=None))

    assert answer.status_code == 200
    assert gateway.store.calls[-1][0] == "metadata.Update"


@pytest.mark.parametrize("spec", [{}, {"value": VALUE}], ids=["metadata", "vault"])
async def test_a_put_of_a_stale_version_is_a_conflict(
    gateway: Gateway, spec: dict[str, str]
) -> None:
    exists(gateway)
    stale, foreign = a_body(**spec), a_body(**spec)
    stale["metadata"]["resourceVersion"] = "999"
    foreign["metadata"]["uid"] = "another"

    async with gateway.http() as http:
        answers = [await http.put(ONE, json=body) for body in (stale, foreign)]

    assert [(a.status_code, a.json()["reason"]) for a in answers] == [(409, "Conflict")] * 2
    assert (
        answers[0]
        .json()["message"]
        .startswith(
            'Operation cannot be fulfilled on securevalues.secret.grafana.app "pg-main": '
        )
    )


async def test_a_put_of_the_present_version_succeeds(gateway: Gateway) -> None:
    found = exists(gateway)
    body = a_body()
    body["metadata"] |= {"resourceVersion": str(found.resource_version), "uid": found.uid}

    async with gateway.http() as http:
        answer = await http.put(ONE, json=body)

    assert answer.status_code == 200


async def test_a_put_of_another_name_than_the_paths_is_refused(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.put(f"{VALUES}/other", json=a_body())

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}, 200),
        ({"kind": "DeleteOptions", "apiVersion": "secret.grafana.app/v1beta1"}, 200),
        ({"gracePeriodSeconds": 0}, 200),
        ({"preconditions": {"resourceVersion": "1"}}, 200),
        ({"preconditions": {"resourceVersion": "2"}}, 409),
        ({"preconditions": {"uid": "another"}}, 409),
        ({"kind": "SecureValue"}, 400),
        ({"dryRun": ["Some"]}, 422),
        ({"dryRun": "All"}, 400),
    ],
)
async def test_a_delete_heeds_its_options(
    gateway: Gateway, body: dict[str, Any], code: int
) -> None:
    exists(gateway)

    async with gateway.http() as http:
        answer = await http.request("DELETE", ONE, json=body)

    assert answer.status_code == code
    assert (("default", "pg-main") in gateway.store.objects) == (code != 200)


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("POST", "?dryRun=All", a_body(value=VALUE)),
        ("PUT", "?dryRun=All&fieldManager=me&fieldValidation=Strict", a_body()),
        ("PUT", "?dryRun=All", a_body(value=VALUE)),
        ("DELETE", "?dryRun=All", None),
        ("DELETE", "", {"dryRun": ["All"]}),
    ],
)
async def test_a_dry_run_is_passed_on(
    gateway: Gateway, method: str, query: str, body: dict[str, Any] | None
) -> None:
    path = VALUES
    if method != "POST":
        exists(gateway)
        path = ONE

    async with gateway.http() as http:
        answer = await http.request(method, path + query, json=body)

    assert answer.status_code in {200, 201}
    assert gateway.store.calls[-1][1].dry_run
    assert gateway.store.values == {}
    assert (("default", "pg-main") in gateway.store.objects) == (method != "POST")


FAILURES: list[tuple[KnownError, int, str]] = [
    (UnauthenticatedError(), 401, "Unauthorized"),
    (PermissionDeniedError(), 403, "Forbidden"),
    (NotFoundError(), 404, "NotFound"),
    (AlreadyExistsError(), 409, "AlreadyExists"),
    (ConflictError(), 409, "Conflict"),
    (FailedPreconditionError(), 409, "Conflict"),
    (InvalidArgumentError("not a message"), 400, "BadRequest"),
    (ResourceExhaustedError("10.1.2.3 is full"), 429, "TooManyRequests"),
    (UnavailableError("10.1.2.3 refused"), 503, "ServiceUnavailable"),
    (DeadlineExceededError("10.1.2.3 is slow"), 504, "Timeout"),
]


@pytest.mark.parametrize(("error", "code", "reason"), FAILURES)
async def test_an_error_of_a_service_is_the_status_that_clients_know(
    gateway: Gateway, error: KnownError, code: int, reason: str
) -> None:
    gateway.store.failing = error

    async with gateway.http() as http:
        answer = await http.get(ONE, headers={"X-Request-Id": "trace-1"})

    status = answer.json()
    assert (answer.status_code, status["code"], status["reason"]) == (code, code, reason)
    assert (status["kind"], status["apiVersion"], status["status"]) == (
        "Status",
        "v1",
        "Failure",
    )
    assert ("retry-after" in answer.headers) == (code in {429, 503})
    assert ("www-authenticate" in answer.headers) == (code == 401)
    assert answer.headers["x-request-id"] == "trace-1"
    assert "10.1.2.3" not in answer.text


async def test_a_bug_in_a_service_shows_no_text(gateway: Gateway) -> None:
    gateway.store.failing = RuntimeError(VALUE)  # type: ignore[assignment]  # a bug

    async with gateway.http() as http:
        answer = await http.get(ONE)

    assert answer.status_code == 503
    assert VALUE not in answer.text


async def test_every_answer_says_how_it_is_to_be_handled(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answers = [await http.get(path) for path in (VALUES, ONE, "/healthz", "/nowhere")]

    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert len(answer.headers["x-request-id"]) >= 16
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "a\u00e9"])
async def test_a_strange_request_id_is_replaced(gateway: Gateway, sent: str) -> None:
    async with gateway.http() as http:
        answer = await http.get("/healthz", headers=[(b"X-Request-Id", sent.encode("latin-1"))])

    assert answer.headers["x-request-id"] != sent


async def test_one_line_is_logged_per_request_without_query_or_name(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    await lines_of_earlier_tests_are_written()
    async with gateway.http() as http:
        await http.get(f"{ONE}?pretty={VALUE}")
        await http.post(VALUES, json=a_body(value=VALUE))

    logged = capsys.readouterr()
    text = logged.out + logged.err
    assert text.count("] request ") == 2
    assert "securevalues/{name}" in text
    assert VALUE not in text
    assert "pg-main" not in text


async def test_requests_are_counted_by_route_and_status(gateway: Gateway) -> None:
    labels = {"method": "GET", "route": "/healthz", "status": "200"}
    value = gateway.metrics.registry.get_sample_value
    before = value("http_requests_total", labels) or 0

    async with gateway.http() as http:
        await http.get("/healthz")

    assert (
        gateway.metrics.registry.get_sample_value("http_requests_total", labels) == before + 1
    )


async def test_the_version_is_one_that_kubernetes_clients_understand(gateway: Gateway) -> None:
    async with gateway.http(token=None) as http:
        answers = [(await http.get(path)).json() for path in ("/version", "/version/")]

    assert answers[0] == answers[1]
    assert answers[0]["major"] == "1"
    assert int(answers[0]["minor"]) >= 30
