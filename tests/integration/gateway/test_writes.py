"""POST and PUT of both kinds: what is sent on, what is answered, and who is said to write."""

import json
from typing import Any

import pytest

from protos.splitkeep.metadata.v1.keepers_pb2 import AwsAssumeRole, AwsKeeper, KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.fakes.gateway.store import WRITER
from tests.integration.gateway.conftest import KEEPERS, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "the-value-itself-8a41"
API = "secret.grafana.app/v1beta1"
ROLE = {"assumeRoleArn": "arn:aws:iam::1:role/r", "externalID": "e"}
KEEPER = {
    "apiVersion": API,
    "kind": "Keeper",
    "metadata": {"name": "aws", "labels": {"team": "x"}},
    "spec": {"description": "d", "aws": {"region": "eu-west-1", "assumeRole": ROLE}},
}


def a_body(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "pg-main"}, "spec": {"description": "d", **spec}}


def a_keeper(gateway: Gateway, name: str = "aws") -> Any:
    role = AwsAssumeRole(assume_role_arn="a", external_id="e")
    aws = AwsKeeper(region="r", assume_role=role)
    draft = KeeperDraft(namespace="default", name=name, description="d", aws=aws)
    return gateway.store.put_keeper(draft)


async def test_a_keeper_is_created_read_and_replaced(gateway: Gateway) -> None:
    async with gateway.http() as http:
        made = await http.post(KEEPERS, json=KEEPER)
        read = await http.get(f"{KEEPERS}/aws")
        body = read.json()
        body["spec"]["aws"]["region"] = "us-east-1"
        replaced = await http.put(f"{KEEPERS}/aws", json=body)

    assert (made.status_code, read.status_code, replaced.status_code) == (201, 200, 200)
    assert made.json() == read.json()
    assert made.json()["spec"] == KEEPER["spec"]
    assert made.json()["status"] == {"active": False}
    assert replaced.json()["spec"]["aws"]["region"] == "us-east-1"
    assert replaced.json()["metadata"]["uid"] == made.json()["metadata"]["uid"]
    assert gateway.store.rpcs() == ["keepers.Create", "keepers.Get", "keepers.Update"]


@pytest.mark.parametrize("spec", [{}, {"value": VALUE}])
async def test_who_may_replace_and_not_read_is_told_the_identity_only(
    gateway: Gateway, spec: dict[str, Any]
) -> None:
    found = gateway.store.put(
        SecureValueDraft(namespace="default", name="pg-main", description="d"), version=1
    )

    async with gateway.http(WRITER) as http:
        answer = await http.put(f"{VALUES}/pg-main?dryRun=All", json=a_body(**spec))

    assert answer.status_code == 200
    assert answer.json() == {
        "kind": "SecureValue",
        "apiVersion": API,
        "metadata": {
            "name": "pg-main",
            "namespace": "default",
            "uid": found.uid,
            "resourceVersion": answer.json()["metadata"]["resourceVersion"],
        },
    }


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", f"{KEEPERS}/aws", KEEPER), ("POST", f"{KEEPERS}/aws/activate", {})],
)
async def test_who_may_write_a_keeper_and_not_read_it_is_told_the_identity_only(
    gateway: Gateway, method: str, path: str, body: dict[str, Any]
) -> None:
    found = a_keeper(gateway)

    async with gateway.http(WRITER) as http:
        answer = await http.request(method, f"{path}?dryRun=All", json=body)

    assert answer.status_code == 200
    assert answer.json().keys() == {"kind", "apiVersion", "metadata"}
    assert answer.json()["metadata"]["uid"] == found.uid
    assert len(answer.json()["metadata"]) == 4


@pytest.mark.parametrize(
    ("spec", "providers", "region"),
    [
        ({"aws": {"region": "r"}}, ["aws"], "r"),
        ({"aws": {}}, ["aws"], ""),
        ({"aws": None}, [], None),
        ({}, [], None),
        ({"aws": {}, "hashiCorpVault": {"token": VALUE}}, ["aws", "hashiCorpVault"], ""),
        ({"azure": {"clientSecret": VALUE}}, ["azure"], None),
    ],
)
async def test_metadata_is_told_which_provider_blocks_there_are_and_not_what_others_hold(
    gateway: Gateway, spec: dict[str, Any], providers: list[str], region: str | None
) -> None:
    async with gateway.http() as http:
        await http.post(KEEPERS, json={"metadata": {"name": "a"}, "spec": spec})

    ((_, request),) = gateway.store.calls
    assert list(request.draft.providers) == providers
    assert request.draft.HasField("aws") is (region is not None)
    assert request.draft.aws.region == (region or "")
    assert not request.draft.aws.HasField("assume_role")
    assert VALUE not in str(request)


@pytest.mark.parametrize("path", [VALUES, KEEPERS])
async def test_a_name_may_be_generated(gateway: Gateway, path: str) -> None:
    body = KEEPER if path == KEEPERS else a_body(value=VALUE)
    body = body | {"metadata": {"generateName": "gen-"}}

    async with gateway.http() as http:
        answer = await http.post(path, json=body)

    assert answer.status_code == 201
    assert answer.json()["metadata"]["name"].startswith("gen-")
    assert gateway.store.calls[0][1].draft.name == ""


@pytest.mark.parametrize("path", [VALUES, KEEPERS])
async def test_a_name_that_is_taken_is_told_in_the_kinds_own_words(
    gateway: Gateway, path: str
) -> None:
    body = KEEPER if path == KEEPERS else a_body(value=VALUE)
    words = "keeper" if path == KEEPERS else "secure value"

    async with gateway.http() as http:
        await http.post(path, json=body)
        answer = await http.post(path, json=body)

    assert (answer.status_code, answer.json()["reason"]) == (409, "AlreadyExists")
    assert answer.json()["message"].startswith(f"{words} already exists: ")


@pytest.mark.parametrize(
    ("method", "path", "rpc"),
    [
        ("POST", VALUES, "vault.Create"),
        ("PUT", f"{VALUES}/pg-main", "vault.Update"),
        ("POST", KEEPERS, "keepers.Create"),
        ("PUT", f"{KEEPERS}/aws", "keepers.Update"),
    ],
)
async def test_a_dry_run_reaches_the_service_as_one(
    gateway: Gateway, method: str, path: str, rpc: str
) -> None:
    body = KEEPER if path.startswith(KEEPERS) else a_body(value=VALUE)
    if method == "PUT":
        a_keeper(gateway)
        gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)
    before = gateway.store.resource_version

    async with gateway.http() as http:
        answer = await http.request(method, f"{path}?dryRun=All", json=body)

    assert answer.status_code in {200, 201}
    assert [(name, request.dry_run) for name, request in gateway.store.calls] == [(rpc, True)]
    assert gateway.store.resource_version == before


@pytest.mark.parametrize("path", [VALUES, KEEPERS])
async def test_an_idempotency_key_of_a_post_is_passed_on(gateway: Gateway, path: str) -> None:
    key = "a key ~ of 'printable' ASCII"
    body = KEEPER if path == KEEPERS else a_body(value=VALUE)

    async with gateway.http() as http:
        await http.post(path, json=body, headers={"Idempotency-Key": key})
        await http.post(path, json=body)

    assert [request.idempotency_key for _, request in gateway.store.calls] == [key, ""]


@pytest.mark.parametrize(
    "keys", [["a", "a"], [""], ["a" * 256], ["sch\xe4"], ["a\tb"]], ids=range(5)
)
async def test_a_key_that_is_none_is_a_bad_request(gateway: Gateway, keys: list[str]) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1")) for key in keys]

    async with gateway.http() as http:
        answer = await http.post(VALUES, json=a_body(value=VALUE), headers=headers)

    assert (answer.status_code, gateway.store.calls) == (400, [])
    assert answer.json()["message"].startswith("Idempotency-Key: must be ")


@pytest.mark.parametrize(
    ("query", "agent", "name"),
    [
        ("?fieldManager=kubectl-create", "kubectl/v1.32", "kubectl-create"),
        ("", "kubectl/v1.32 (linux/amd64)", "kubectl"),
        ("", "OpenAPI-Generator/37.0/python", "OpenAPI-Generator"),
        ("", "curl", "curl"),
        ("", "x" * 200, "x" * 128),
        ("", "", "unknown"),
        ("", "/", "unknown"),
        (f"?fieldManager={'m' * 128}", "", "m" * 128),
    ],
)
async def test_who_writes_is_the_field_manager_or_else_the_program(
    gateway: Gateway, query: str, agent: str, name: str
) -> None:
    async with gateway.http() as http:
        answer = await http.post(
            VALUES + query, json=a_body(value=VALUE), headers={"User-Agent": agent}
        )

    manager = gateway.store.calls[0][1].draft.manager
    assert (manager.name, manager.api_version) == (name, API)
    assert not manager.HasField("applied")
    (entry,) = answer.json()["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == (name, "Update")
    assert entry["fieldsV1"] == {"f:spec": {"f:description": {}, "f:value": {}}}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (f"fieldManager={'m' * 129}", "FieldValueTooLong"),
        ("fieldManager=a%0Ab", "FieldValueInvalid"),
        ("fieldValidation=Maybe", "FieldValueInvalid"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_options_that_are_none_are_invalid(
    gateway: Gateway, method: str, query: str, reason: str
) -> None:
    path = VALUES if method == "POST" else f"{VALUES}/pg-main"

    async with gateway.http() as http:
        answer = await http.request(method, f"{path}?{query}", json=a_body(value=VALUE))

    assert (answer.status_code, gateway.store.calls) == (422, [])
    (cause,) = answer.json()["details"]["causes"]
    assert (cause["field"], cause["reason"]) == (query.partition("=")[0], reason)


MANIFEST = f"""\
apiVersion: {API}
kind: SecureValue
metadata:
  name: pg-main
  labels: {{team: platform}}
spec:
  description: d
  value: {VALUE}
"""


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_body_may_be_yaml(gateway: Gateway, method: str) -> None:
    path = VALUES if method == "POST" else f"{VALUES}/pg-main"
    gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)
    if method == "POST":
        gateway.store.clear()

    async with gateway.http() as http:
        answer = await http.request(
            method, path, content=MANIFEST, headers={"Content-Type": "application/yaml"}
        )

    assert answer.status_code in {200, 201}
    assert gateway.store.values["default", "pg-main"] == VALUE.encode()
    assert answer.json()["metadata"]["labels"] == {"team": "platform"}


async def test_what_yaml_reads_as_a_number_names_the_field_and_the_kind(
    gateway: Gateway,
) -> None:
    manifest = MANIFEST.replace(VALUE, "20261123")

    async with gateway.http() as http:
        answer = await http.post(
            VALUES, content=manifest, headers={"Content-Type": "application/yaml"}
        )

    assert (answer.status_code, gateway.store.calls) == (400, [])
    assert answer.json()["message"] == "spec.value: must be a string, not a number"


async def test_more_yaml_than_an_object_has_is_too_large(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.post(
            VALUES,
            content=MANIFEST + "# " + "x" * 300_000,
            headers={"Content-Type": "application/yaml"},
        )

    assert (answer.status_code, gateway.store.calls) == (413, [])


DOUBTFUL = (
    '{"metadata": {"name": "pg-main", "colour": 1}, "spec": {"description": "d",'
    f' "value": "{VALUE}", "foo": "{VALUE}", "decrypters": ["a"], "decrypters": ["b"]}}}}'
)
PROBLEMS = [
    'unknown field "metadata.colour"',
    'unknown field "spec.foo"',
    'duplicate field "spec.decrypters"',
]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("validation", ["", "?fieldValidation=Warn"])
async def test_unknown_and_repeated_fields_are_warned_of_and_go_no_further(
    gateway: Gateway, method: str, validation: str
) -> None:
    path = VALUES if method == "POST" else f"{VALUES}/pg-main"
    if method == "PUT":
        gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)

    async with gateway.http() as http:
        answer = await http.request(
            method,
            path + validation,
            content=DOUBTFUL,
            headers={"Content-Type": "application/json"},
        )

    assert answer.status_code in {200, 201}
    warnings = answer.headers.get_list("warning")
    assert [json.loads(warning.removeprefix("299 - ")) for warning in warnings] == PROBLEMS
    assert VALUE not in "".join(warnings)
    ((_, request),) = gateway.store.calls
    assert list(request.draft.decrypters) == ["b"]
    assert VALUE not in str(request.draft)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_strictness_refuses_them_before_any_service_hears(
    gateway: Gateway, method: str
) -> None:
    path = VALUES if method == "POST" else f"{VALUES}/pg-main"

    async with gateway.http() as http:
        answer = await http.request(
            method,
            f"{path}?fieldValidation=Strict",
            content=DOUBTFUL,
            headers={"Content-Type": "application/json"},
        )

    assert (answer.status_code, gateway.store.calls) == (400, [])
    assert answer.json()["message"] == f"strict decoding error: {', '.join(PROBLEMS)}"
    assert VALUE not in answer.text


async def test_ignored_they_are_not_told(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.post(
            f"{VALUES}?fieldValidation=Ignore",
            content=DOUBTFUL,
            headers={"Content-Type": "application/json"},
        )

    assert answer.status_code == 201
    assert "warning" not in answer.headers


async def test_a_status_of_zeros_is_no_change(gateway: Gateway) -> None:
    """As Grafana's Terraform provider sends it."""
    a_keeper(gateway)
    body = KEEPER | {"status": {"active": True, "operatorStates": None}}

    async with gateway.http() as http:
        answer = await http.put(f"{KEEPERS}/aws?fieldValidation=Strict", json=body)

    assert answer.status_code == 200
    assert answer.json()["status"] == {"active": False}


@pytest.mark.parametrize("path", [f"{VALUES}/pg-main", f"{KEEPERS}/aws"])
@pytest.mark.parametrize("pin", [{"resourceVersion": "999"}, {"uid": "another"}])
async def test_a_put_of_a_stale_object_is_a_conflict(
    gateway: Gateway, path: str, pin: dict[str, str]
) -> None:
    a_keeper(gateway)
    gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)
    body = KEEPER if path.startswith(KEEPERS) else a_body()
    metadata: Any = body["metadata"]

    async with gateway.http() as http:
        answer = await http.put(path, json=body | {"metadata": metadata | pin})

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")


@pytest.mark.parametrize("path", [VALUES, KEEPERS])
async def test_what_a_trial_would_create_has_no_version_and_can_be_created(
    gateway: Gateway, path: str
) -> None:
    body = KEEPER if path == KEEPERS else a_body(value=VALUE)

    async with gateway.http() as http:
        trial = await http.post(f"{path}?dryRun=All", json=body)
        made = await http.post(path, json=trial.json() | {"spec": body["spec"]})

    assert (trial.status_code, made.status_code) == (201, 201)
    assert "resourceVersion" not in trial.json()["metadata"]
    assert made.json()["metadata"]["resourceVersion"] == "1"


@pytest.mark.parametrize("path", [VALUES, KEEPERS])
async def test_version_0_pins_nothing(gateway: Gateway, path: str) -> None:
    """Kubernetes' clients write it where they have read none."""
    body = KEEPER if path == KEEPERS else a_body(value=VALUE)
    metadata: Any = body["metadata"]
    unpinned = body | {"metadata": metadata | {"resourceVersion": "0"}}

    async with gateway.http() as http:
        made = await http.post(path, json=unpinned)
        replaced = await http.put(f"{path}/{metadata['name']}", json=unpinned)
        patched = await http.patch(
            f"{path}/{metadata['name']}",
            json={"metadata": {"resourceVersion": "0", "labels": {"a": "b"}}},
            headers={"Content-Type": "application/merge-patch+json"},
        )

    assert [made.status_code, replaced.status_code, patched.status_code] == [201, 200, 200]


@pytest.mark.parametrize("path", [VALUES, KEEPERS])
async def test_what_is_created_has_no_version_yet(gateway: Gateway, path: str) -> None:
    body = KEEPER if path == KEEPERS else a_body(value=VALUE)
    metadata: Any = body["metadata"]

    async with gateway.http() as http:
        answer = await http.post(
            path, json=body | {"metadata": metadata | {"resourceVersion": "7"}}
        )

    assert answer.status_code == 400
    assert "metadata.resourceVersion" in answer.json()["message"]
    assert gateway.store.calls == []


@pytest.mark.parametrize("collection", [VALUES, KEEPERS])
@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
async def test_finalizers_are_refused_and_not_dropped(
    gateway: Gateway, collection: str, validation: str
) -> None:
    """A controller would believe that a delete waits for it."""
    body = {"metadata": {"name": "a", "finalizers": ["example.com/wait"]}, "spec": {}}
    async with gateway.http() as http:
        answer = await http.post(f"{collection}?fieldValidation={validation}", json=body)

    assert answer.status_code == 422
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == [
        "metadata.finalizers"
    ]
    assert gateway.store.objects == {}


async def test_no_finalizers_are_none(gateway: Gateway) -> None:
    body = {
        "metadata": {"name": "a", "finalizers": []},
        "spec": {"description": "d", "value": "v"},
    }
    async with gateway.http() as http:
        assert (await http.post(VALUES, json=body)).status_code == 201
