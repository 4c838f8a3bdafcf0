"""Server-side apply and kubectl's client-side apply, as their clients send them."""

import json
from typing import Any

import pytest

from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldsTransfer, OwnerOperation
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.fakes.gateway.services import CREATOR, WRITER
from tests.integration.gateway.conftest import KEEPERS, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "the-value-itself-8a41"
API = "secret.grafana.app/v1beta1"
ONE = f"{VALUES}/pg-main"
APPLY_PATCH = "application/apply-patch+yaml"
MANIFEST = f"""\
apiVersion: {API}
kind: SecureValue
metadata:
  name: pg-main
  labels:
    team: platform
spec:
  description: Main password
  value: {VALUE}
  decrypters: [k6-cloud]
"""
KEEPER = f"""\
apiVersion: {API}
kind: Keeper
metadata: {{name: aws}}
spec:
  description: d
  aws:
    region: eu-west-1
    assumeRole: {{assumeRoleArn: a, externalID: e}}
"""


async def applied(
    gateway: Gateway,
    manifest: str | dict[str, Any],
    query: str = "fieldManager=kubectl",
    *,
    path: str = ONE,
    token: str = "admin-token",
) -> Any:
    content = manifest if isinstance(manifest, str) else json.dumps(manifest)
    async with gateway.http(token) as http:
        return await http.patch(
            f"{path}?{query}", content=content, headers={"Content-Type": APPLY_PATCH}
        )


def a_tree(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "SecureValue",
        "metadata": {"name": "pg-main", **metadata},
        **({"spec": spec} if spec is not None else {}),
    }


async def test_what_is_not_there_is_created_through_the_vault(gateway: Gateway) -> None:
    answer = await applied(gateway, MANIFEST)

    assert answer.status_code == 201
    assert gateway.store.rpcs() == ["metadata.Get", "vault.Create"]
    assert gateway.store.values["default", "pg-main"] == VALUE.encode()
    (entry,) = answer.json()["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("kubectl", "Apply")
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:team": {}}},
        "f:spec": {"f:description": {}, "f:value": {}, "f:decrypters": {}},
    }
    assert VALUE not in answer.text


async def test_a_keeper_is_applied_created_and_changed(gateway: Gateway) -> None:
    path = f"{KEEPERS}/aws"

    made = await applied(gateway, KEEPER, path=path)
    changed = await applied(gateway, KEEPER.replace("eu-west-1", "us-east-1"), path=path)

    assert (made.status_code, changed.status_code) == (201, 200)
    assert changed.json()["spec"]["aws"]["region"] == "us-east-1"
    assert gateway.store.rpcs() == [
        *("keepers.Get", "keepers.Create"), *("keepers.Get", "keepers.Update")
    ]  # fmt: skip


async def test_json_under_yamls_name_is_read_with_its_escapes(gateway: Gateway) -> None:
    """As Python clients send it."""
    tree = a_tree({"description": "\U0001f511", "value": VALUE})

    answer = await applied(gateway, json.dumps(tree))

    assert answer.status_code == 201
    assert answer.json()["spec"]["description"] == "\U0001f511"


async def test_a_field_that_is_left_out_is_removed_and_others_fields_stay(
    gateway: Gateway,
) -> None:
    await applied(gateway, MANIFEST)
    await applied(gateway, a_tree(labels={"env": "prod"}), "fieldManager=other")

    answer = await applied(gateway, a_tree({"description": "Main password"}))

    assert answer.status_code == 200
    assert answer.json()["metadata"]["labels"] == {"env": "prod"}
    assert "decrypters" not in answer.json()["spec"]
    assert gateway.store.values["default", "pg-main"] == VALUE.encode()
    assert gateway.store.rpcs()[-1] == "metadata.Update"


async def test_the_same_once_more_writes_nothing_but_a_value(gateway: Gateway) -> None:
    tree = a_tree({"description": "d"}, labels={"team": "x"})
    gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)
    first = await applied(gateway, tree)

    second = await applied(gateway, tree)

    assert first.json() == second.json()


async def test_a_change_of_anothers_field_is_a_conflict_that_kubectl_explains(
    gateway: Gateway,
) -> None:
    await applied(gateway, MANIFEST)
    mine = a_tree({"description": "never-to-be-quoted"})

    answer = await applied(gateway, mine, "fieldManager=mine")
    forced = await applied(gateway, mine, "fieldManager=mine&force=true")

    body = answer.json()
    assert (answer.status_code, body["reason"]) == (409, "Conflict")
    assert body["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl": .spec.description'
    )
    assert body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl"',
            "field": ".spec.description",
        }
    ]
    assert "never-to-be-quoted" not in answer.text
    assert (forced.status_code, forced.json()["spec"]["description"]) == (
        200,
        "never-to-be-quoted",
    )
    owners = {
        entry["manager"]: entry["fieldsV1"]["f:spec"]
        for entry in forced.json()["metadata"]["managedFields"]
    }
    assert owners == {
        "kubectl": {"f:value": {}, "f:decrypters": {}},
        "mine": {"f:description": {}},
    }


async def test_a_value_of_anothers_is_a_conflict_whatever_it_is(gateway: Gateway) -> None:
    await applied(gateway, MANIFEST)

    answer = await applied(gateway, MANIFEST, "fieldManager=mine")

    assert answer.status_code == 409
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == [".spec.value"]
    assert VALUE not in answer.text


async def test_the_same_content_is_shared(gateway: Gateway) -> None:
    await applied(gateway, MANIFEST)

    answer = await applied(
        gateway, a_tree({"description": "Main password"}), "fieldManager=mine"
    )

    assert answer.status_code == 200
    owners = gateway.store.objects["default", "pg-main"].field_owners
    sharing = [owner.manager for owner in owners if "spec.description" in owner.fields]
    assert sharing == ["kubectl", "mine"]


async def test_who_applies_must_say_so(gateway: Gateway) -> None:
    answer = await applied(gateway, MANIFEST, "")

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    (cause,) = answer.json()["details"]["causes"]
    assert (cause["field"], cause["reason"]) == ("fieldManager", "FieldValueRequired")
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"metadata": {"name": "other"}}, 400),
        ({"metadata": {"name": "pg-main", "namespace": "other"}}, 400),
        ({"kind": "Keeper"}, 400),
        ({"apiVersion": "secret.grafana.app/v1"}, 400),
        ({"metadata": {"name": "pg-main", "uid": "other"}}, 409),
        ({"metadata": {"name": "pg-main", "resourceVersion": "7"}}, 409),
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["update", "create"])
async def test_what_is_applied_must_be_what_the_path_says(
    gateway: Gateway, change: dict[str, Any], code: int, *, there: bool
) -> None:
    if there:
        gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)

    answer = await applied(gateway, a_tree({"description": "d", "value": VALUE}) | change)

    assert answer.status_code == code
    assert gateway.store.values == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"metadata": {"managedFields": [{"manager": "me"}]}},
            "metadata.managedFields must be nil",
        ),
        ({"metadata": {"managedFields": {"a": "b"}}}, "metadata.managedFields must be nil"),
        ({"kind": None}, "kind: must be given in an apply patch"),
        ({"kind": ""}, "kind: must be given in an apply patch"),
        ({"apiVersion": None}, "apiVersion: must be given in an apply patch"),
        ({"apiVersion": []}, "apiVersion: must be a string"),
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["update", "create"])
async def test_what_is_applied_says_what_it_is_and_not_whose(
    gateway: Gateway, change: dict[str, Any], words: str, *, there: bool
) -> None:
    if there:
        gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)

    answer = await applied(gateway, a_tree({"description": "d", "value": VALUE}) | change)

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert words in answer.json()["message"]
    assert gateway.store.calls == []


@pytest.mark.parametrize("nothing", [None, []])
async def test_an_apply_that_names_no_owners_is_one(gateway: Gateway, nothing: Any) -> None:
    tree = a_tree({"description": "d", "value": VALUE}, managedFields=nothing)

    assert (await applied(gateway, tree)).status_code == 201


async def test_a_create_that_another_wins_becomes_an_update(gateway: Gateway) -> None:
    other = SecureValueDraft(
        namespace="default", name="pg-main", description="theirs", labels={"env": "prod"}
    )
    gateway.store.interruptions = [lambda: gateway.store.put(other, version=1, value=b"theirs")]

    answer = await applied(gateway, a_tree({"description": "mine", "value": VALUE}))

    assert answer.status_code == 200
    assert gateway.store.rpcs() == [
        *("metadata.Get", "vault.Create"), *("metadata.Get", "vault.Update")
    ]  # fmt: skip
    assert answer.json()["metadata"]["labels"] == {"env": "prod"}
    assert answer.json()["spec"]["description"] == "mine"


async def test_an_update_of_what_another_deletes_becomes_a_create(gateway: Gateway) -> None:
    gateway.store.put(SecureValueDraft(namespace="default", name="pg-main"), version=1)
    key = ("default", "pg-main")
    gateway.store.interruptions = [lambda: gateway.store.remove(gateway.store.objects, key)]

    answer = await applied(gateway, MANIFEST)

    assert answer.status_code == 201


async def test_a_version_of_the_clients_own_is_tried_once(gateway: Gateway) -> None:
    found = gateway.store.put(
        SecureValueDraft(namespace="default", name="pg-main", description="d"), version=1
    )
    other = SecureValueDraft(namespace="default", name="pg-main", description="theirs")
    gateway.store.interruptions = [lambda: gateway.store.put(other, version=1)]
    tree = a_tree({"description": "n"}, resourceVersion=str(found.resource_version))

    answer = await applied(gateway, tree)

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert gateway.store.objects["default", "pg-main"].description == "theirs"


async def test_a_dry_run_of_a_create_makes_nothing(gateway: Gateway) -> None:
    answer = await applied(gateway, MANIFEST, "fieldManager=kubectl&dryRun=All")

    assert answer.status_code == 201
    assert (gateway.store.objects, gateway.store.values) == ({}, {})


@pytest.mark.parametrize("token", [WRITER, CREATOR])
async def test_who_may_not_read_learns_no_content_by_applying(
    gateway: Gateway, token: str
) -> None:
    """The same content would be no conflict to one who may read."""
    await applied(gateway, MANIFEST)
    tree = a_tree({"description": "Main password"})

    refused = await applied(gateway, tree, "fieldManager=mine", token=token)
    forced = await applied(gateway, tree, "fieldManager=mine&force=true", token=token)

    for answer in (refused, forced):
        assert answer.status_code == 403
        assert "secret.securevalues:read is not granted" in answer.json()["message"]


async def test_a_create_needs_the_right_to_create(gateway: Gateway) -> None:
    refused = await applied(gateway, MANIFEST, token=WRITER)
    made = await applied(gateway, MANIFEST, token=CREATOR)

    assert (refused.status_code, made.status_code) == (403, 201)


@pytest.mark.parametrize("validation", ["Strict", "Warn"])
async def test_unknown_and_repeated_fields_are_told(gateway: Gateway, validation: str) -> None:
    manifest = MANIFEST.replace("spec:\n", f"spec:\n  foo: {VALUE}\n  description: x\n")

    answer = await applied(
        gateway, manifest, f"fieldManager=kubectl&fieldValidation={validation}"
    )

    told = ('unknown field "spec.foo"', 'duplicate field "spec.description"')
    if validation == "Strict":
        assert answer.status_code == 400
        assert answer.json()["message"] == f"strict decoding error: {', '.join(told)}"
    else:
        assert answer.status_code == 201
        warnings = [
            json.loads(text.removeprefix("299 - "))
            for text in answer.headers.get_list("warning")
        ]
        assert warnings == list(told)
    assert VALUE not in answer.text + str(answer.headers)


async def test_what_kubectl_applied_last_owns_nothing_where_it_is_not_kept(
    gateway: Gateway,
) -> None:
    """`kubectl apply --server-side` sends the annotation once more where it finds it."""
    await applied(gateway, MANIFEST)
    before = gateway.store.resource_version
    last = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"v": VALUE})}

    answer = await applied(
        gateway, a_tree(annotations=last), "fieldManager=kubectl-last-applied"
    )

    assert answer.status_code == 200
    assert gateway.store.resource_version == before
    assert VALUE not in str([request for _, request in gateway.store.calls[2:]])


async def test_what_cannot_be_owned_is_refused_by_who_decides_it(gateway: Gateway) -> None:
    tree = a_tree(
        {"description": "d", "value": VALUE, "ref": "r"},
        ownerReferences=[{"apiVersion": "a.b/v1", "kind": "K", "name": "n"}],
    )

    answer = await applied(gateway, tree)

    assert answer.status_code == 422
    fields = [cause["field"] for cause in answer.json()["details"]["causes"]]
    assert fields == ["spec.ref", "metadata.ownerReferences"]


async def test_the_client_side_apply_of_kubectl_works_each_time(gateway: Gateway) -> None:
    """GET; POST with the annotation; later GET and a merge patch made with the original."""
    manifest = a_tree({"description": "d", "value": VALUE}, labels={"team": "x"})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(manifest)}
    sent = a_tree(
        {"description": "d", "value": VALUE}, labels={"team": "x"}, annotations=annotations
    )
    query = "?fieldManager=kubectl-client-side-apply&fieldValidation=Strict"
    merge = {"Content-Type": "application/merge-patch+json"}
    patch = {"metadata": {"annotations": annotations}, "spec": {"value": VALUE}}

    async with gateway.http() as http:
        absent = await http.get(ONE)
        made = await http.post(VALUES + query, json=sent)
        again = await http.patch(ONE + query, content=json.dumps(patch), headers=merge)

    assert [a.status_code for a in (absent, made, again)] == [404, 201, 200]
    assert "warning" not in made.headers
    assert again.json()["status"]["version"] == 2
    assert VALUE not in made.text + again.text
    assert VALUE not in str(
        [call.draft for name, call in gateway.store.calls if "vault" in name]
    )
    (entry,) = again.json()["metadata"]["managedFields"]
    assert entry["manager"] == "kubectl-client-side-apply"


async def test_an_apply_after_updates_of_the_same_program_conflicts_as_in_kubernetes(
    gateway: Gateway,
) -> None:
    async with gateway.http() as http:
        await http.post(f"{VALUES}?fieldManager=kubectl-create", json=a_tree(
            {"description": "d", "value": VALUE}
        ))  # fmt: skip

    answer = await applied(gateway, a_tree({"description": "new"}))

    (owner,) = gateway.store.objects["default", "pg-main"].field_owners
    assert owner.operation == OwnerOperation.OWNER_OPERATION_UPDATE
    assert answer.json()["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl-create" using '
        f"{API} at 2026-02-16T00:00:00Z: .spec.description"
    )


async def test_kubectl_moves_what_it_applied_from_the_client(gateway: Gateway) -> None:
    """As kubectl 1.37 sends it: the entry of the updater goes into that of the applier."""
    async with gateway.http() as http:
        query = "?fieldManager=kubectl-client-side-apply"
        await http.post(VALUES + query, json=a_tree({"description": "d", "value": VALUE}))
    answer = await applied(gateway, a_tree({"description": "d"}), "fieldManager=deployer")
    (old, new) = answer.json()["metadata"]["managedFields"]
    merged = new | {"fieldsV1": old["fieldsV1"]}
    version = answer.json()["metadata"]["resourceVersion"]
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]

    async with gateway.http() as http:
        answer = await http.patch(
            f"{ONE}?fieldManager=deployer&fieldValidation=Strict",
            content=json.dumps(operations),
            headers={"Content-Type": "application/json-patch+json"},
        )

    assert answer.status_code == 200
    manager = gateway.store.calls[-1][1].draft.manager
    assert manager.transfer == FieldsTransfer(
        to="deployer", updaters=["kubectl-client-side-apply"]
    )
