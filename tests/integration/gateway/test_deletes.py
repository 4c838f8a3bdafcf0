"""DELETE of one and of many, and which keeper is active."""

from typing import Any

import pytest

from chassis.errors import ConflictError, PermissionDeniedError
from gateway.resources import deletes
from protos.splitkeep.metadata.v1.keepers_pb2 import KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from protos.splitkeep.metadata.v1.selector_pb2 import SelectedField
from tests.fakes.gateway.services import ADMIN, DELETER, READER
from tests.integration.gateway.conftest import KEEPERS, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}


def fill(gateway: Gateway, count: int) -> None:
    for number in range(count):
        labels = {"parity": "even" if number % 2 == 0 else "odd"}
        name = f"name-{number:03}"
        draft = SecureValueDraft(namespace="default", name=name, labels=labels)
        gateway.store.put(draft, version=1)


def a_keeper(gateway: Gateway, name: str) -> Any:
    return gateway.store.put_keeper(KeeperDraft(namespace="default", name=name))


async def test_a_keeper_is_deleted_and_named(gateway: Gateway) -> None:
    keeper = a_keeper(gateway, "aws")

    async with gateway.http(DELETER) as http:
        answer = await http.delete(f"{KEEPERS}/aws")
        again = await http.delete(f"{KEEPERS}/aws")

    assert answer.json()["status"] == "Success"
    assert answer.json()["details"] == {
        "name": "aws",
        "uid": keeper.uid,
        "group": "secret.grafana.app",
        "kind": "keepers",
    }
    assert (again.status_code, again.json()["reason"]) == (404, "NotFound")


async def test_a_keeper_in_use_is_kept(gateway: Gateway) -> None:
    a_keeper(gateway, "aws")
    fill(gateway, 1)
    gateway.store.objects["default", "name-000"].keeper = "aws"

    async with gateway.http() as http:
        answer = await http.delete(f"{KEEPERS}/aws")

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert "in use" in answer.json()["message"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, '{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "x"}}'),
        (JSON, '{"preconditions": {"resourceVersion": "999"}}'),
        (JSON, '{"preconditions": {"resourceVersion": "0"}}'),
        (YAML, "preconditions: {resourceVersion: '999'}\n"),
    ],
)
@pytest.mark.parametrize("path", [f"{VALUES}/name-000", VALUES])
async def test_what_changed_since_is_not_deleted(
    gateway: Gateway, path: str, headers: dict[str, str], body: str
) -> None:
    fill(gateway, 1)

    async with gateway.http() as http:
        answer = await http.request("DELETE", path, content=body, headers=headers)

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert len(gateway.store.objects) == 1


@pytest.mark.parametrize(
    ("query", "body"),
    [("?dryRun=All", ""), ("", '{"dryRun": ["All"]}'), ("?dryRun=All", '{"dryRun": ["All"]}')],
)
@pytest.mark.parametrize("path", [f"{VALUES}/name-000", VALUES])
async def test_a_dry_run_deletes_nothing(
    gateway: Gateway, path: str, query: str, body: str
) -> None:
    fill(gateway, 1)

    async with gateway.http() as http:
        answer = await http.request("DELETE", path + query, content=body, headers=JSON)

    assert answer.status_code == 200
    assert [request.dry_run for _, request in gateway.store.calls] == [True]
    assert len(gateway.store.objects) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"dryRun": ["All"], "dryRun": []}',
        '{"preconditions": {"uid": "a", "uid": "b"}}',
        '{"kind": "SecureValue"}',
        '{"apiVersion": "v2"}',
        '{"dryRun": "All"}',
        '{"preconditions": ["uid"]}',
        "[]",
    ],
)
async def test_options_with_two_readings_delete_nothing(gateway: Gateway, body: str) -> None:
    async with gateway.http() as http:
        answer = await http.request("DELETE", VALUES, content=body, headers=JSON)

    assert (answer.status_code, gateway.store.calls) == (400, [])


GRACE, POLICY = "gracePeriodSeconds", "propagationPolicy"
UNKNOWN = [
    (f"{GRACE}=-1", None, GRACE, "FieldValueInvalid"),
    (f"{GRACE}=soon", None, GRACE, "FieldValueTypeInvalid"),
    (f"{GRACE}=", None, GRACE, "FieldValueTypeInvalid"),
    (f"{GRACE}={2**63}", None, GRACE, "FieldValueTypeInvalid"),
    ("", {GRACE: -1}, GRACE, "FieldValueInvalid"),
    ("", {GRACE: "30"}, GRACE, "FieldValueTypeInvalid"),
    ("", {GRACE: True}, GRACE, "FieldValueTypeInvalid"),
    ("", {GRACE: 1.5}, GRACE, "FieldValueTypeInvalid"),
    ("", {GRACE: 2**63}, GRACE, "FieldValueTypeInvalid"),
    (f"{POLICY}=background", None, POLICY, "FieldValueInvalid"),
    (f"{POLICY}=", None, POLICY, "FieldValueInvalid"),
    ("", {POLICY: "Sideways"}, POLICY, "FieldValueInvalid"),
    ("", {POLICY: ""}, POLICY, "FieldValueInvalid"),
    ("", {"dryRun": ["All", "Some"]}, "dryRun", "FieldValueInvalid"),
]


@pytest.mark.parametrize(("query", "body", "field", "reason"), UNKNOWN)
@pytest.mark.parametrize("path", [f"{VALUES}/name-000", VALUES])
async def test_a_delete_asked_for_in_no_known_way_deletes_nothing(
    gateway: Gateway, path: str, query: str, body: Any, field: str, reason: str
) -> None:
    fill(gateway, 1)

    async with gateway.http() as http:
        answer = await http.request("DELETE", f"{path}?{query}", json=body)

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    (cause,) = answer.json()["details"]["causes"]
    assert (cause["field"], cause["reason"]) == (field, reason)
    assert (gateway.store.calls, len(gateway.store.objects)) == ([], 1)


@pytest.mark.parametrize("policy", ["Foreground", "Background", "Orphan"])
@pytest.mark.parametrize("place", ["query", "body"])
async def test_there_is_nothing_to_wait_for_or_to_propagate(
    gateway: Gateway, policy: str, place: str
) -> None:
    fill(gateway, 1)
    options: dict[str, Any] = {GRACE: 30, POLICY: policy}
    query = f"?{GRACE}=30&{POLICY}={policy}" if place == "query" else ""

    async with gateway.http() as http:
        answer = await http.request(
            "DELETE", f"{VALUES}/name-000{query}", json=options if place == "body" else None
        )

    assert (answer.status_code, len(gateway.store.objects)) == (200, 0)


async def test_a_collection_is_deleted_page_by_page(gateway: Gateway) -> None:
    fill(gateway, 250)

    async with gateway.http(DELETER) as http:
        answer = await http.delete(VALUES)

    assert answer.status_code == 200
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 200,
        "details": {"group": "secret.grafana.app", "kind": "securevalues"},
    }
    assert gateway.store.objects == {}
    assert [request.after_name for _, request in gateway.store.calls] == [
        "",
        "name-099",
        "name-199",
    ]


async def test_only_what_is_selected_is_deleted(gateway: Gateway) -> None:
    fill(gateway, 6)
    query = "labelSelector=parity%20in%20(even)&fieldSelector=metadata.name!=name-004"

    async with gateway.http() as http:
        answer = await http.delete(f"{VALUES}?{query}")

    assert answer.status_code == 200
    assert sorted(name for _, name in gateway.store.objects) == [
        "name-001",
        "name-003",
        "name-004",
        "name-005",
    ]
    ((_, request),) = gateway.store.calls
    (term,) = request.selector.fields
    assert (term.field, term.negated) == (SelectedField.SELECTED_FIELD_NAME, True)


@pytest.mark.parametrize(
    "query", ["labelSelector=a%20b", "fieldSelector=spec.value=x", "limit=1", "continue=x"]
)
async def test_what_would_delete_more_than_meant_is_refused(
    gateway: Gateway, query: str
) -> None:
    async with gateway.http() as http:
        answer = await http.delete(f"{VALUES}?{query}")

    assert (answer.status_code, gateway.store.calls) == (400, [])


async def test_without_the_right_nothing_is_deleted(gateway: Gateway) -> None:
    fill(gateway, 1)

    async with gateway.http(READER) as http:
        answers = [await http.delete(path) for path in (VALUES, f"{VALUES}/none")]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert len(gateway.store.objects) == 1


async def test_a_failure_on_the_way_is_told(gateway: Gateway) -> None:
    gateway.store.failing_rpcs["metadata.DeletePage"] = ConflictError()

    async with gateway.http() as http:
        answer = await http.delete(VALUES)

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")


async def test_a_delete_that_takes_too_long_is_told(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletes, "COLLECTION_SECONDS", 0)

    async with gateway.http() as http:
        answer = await http.delete(VALUES)

    assert (answer.status_code, answer.json()["reason"]) == (504, "Timeout")


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
@pytest.mark.parametrize(
    ("headers", "body"), [({}, ""), (JSON, "{}"), (JSON, ""), (YAML, "{}"), (JSON, '{"a": 1}')]
)
async def test_a_keeper_is_activated_and_the_one_before_is_not(
    gateway: Gateway, version: str, headers: dict[str, str], body: str
) -> None:
    a_keeper(gateway, "one")
    a_keeper(gateway, "two")
    base = KEEPERS.replace("v1beta1", version)

    async with gateway.http() as http:
        first = await http.post(f"{base}/one/activate", content=body, headers=headers)
        second = await http.post(f"{base}/two/activate", content=body, headers=headers)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["status"] == {"active": True}
    assert second.json()["apiVersion"] == f"secret.grafana.app/{version}"
    active = [name for (_, name), keeper in gateway.store.keepers.items() if keeper.active]
    assert active == ["two"]


async def test_system_is_activated_and_answered_with_a_status(gateway: Gateway) -> None:
    a_keeper(gateway, "one")
    gateway.store.activate("default", "one")

    async with gateway.http() as http:
        answer = await http.post(f"{KEEPERS}/system/activate", json={})
        there = await http.get(f"{KEEPERS}/system")

    assert (answer.status_code, answer.json()["status"]) == (200, "Success")
    assert answer.json()["details"]["name"] == "system"
    assert not gateway.store.keepers["default", "one"].active
    assert there.status_code == 404


async def test_a_dry_run_activates_nothing(gateway: Gateway) -> None:
    a_keeper(gateway, "one")

    async with gateway.http() as http:
        answer = await http.post(f"{KEEPERS}/one/activate?dryRun=All")

    assert answer.status_code == 200
    assert not gateway.store.keepers["default", "one"].active


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{KEEPERS}/none/activate", 404),
        (f"{KEEPERS}/one/deactivate", 404),
        (f"{VALUES}/one/activate", 404),
    ],
)
async def test_nothing_else_can_be_activated(gateway: Gateway, path: str, code: int) -> None:
    async with gateway.http() as http:
        answer = await http.post(path)

    assert (answer.status_code, answer.json()["kind"]) == (code, "Status")


async def test_who_may_not_write_keepers_activates_none(gateway: Gateway) -> None:
    gateway.store.failing_rpcs["keepers.Activate"] = PermissionDeniedError()

    async with gateway.http() as http:
        answer = await http.post(f"{KEEPERS}/system/activate")

    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    "declared",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "",
    ],
)
@pytest.mark.parametrize(
    "framing", ["", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n"]
)
async def test_what_type_is_declared_for_no_body_does_not_matter(
    gateway: Gateway, declared: str, framing: str
) -> None:
    """External Secrets declares one for every request that it sends."""
    fill(gateway, 1)
    body = "0\r\n\r\n" if "chunked" in framing else ""
    head = (
        f"DELETE {VALUES}/name-000 HTTP/1.1\r\nHost: localhost\r\nX-Access-Token: {ADMIN}\r\n"
        f"Connection: close\r\nContent-Type: {declared}\r\nContent-Encoding: gzip\r\n"
        f"{framing}\r\n"
    )

    status, received = await gateway.exchange((head + body).encode())

    assert (status, gateway.store.objects) == (200, {}), received


async def test_a_body_in_another_form_is_still_refused(gateway: Gateway) -> None:
    fill(gateway, 1)
    async with gateway.http() as http:
        answer = await http.request(
            "DELETE",
            f"{VALUES}/name-000",
            content=b"{}",
            headers={"Content-Type": "text/plain"},
        )

    assert (answer.status_code, len(gateway.store.objects)) == (415, 1)
