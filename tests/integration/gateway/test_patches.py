"""PATCH of both kinds, by JSON patch and by merge patch."""

import json
from functools import partial
from typing import Any

import pytest

from chassis.errors import ConflictError
from gateway.resources.patching import ATTEMPTS
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager
from protos.splitkeep.metadata.v1.keepers_pb2 import AwsAssumeRole, AwsKeeper, KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions, SecureValueDraft
from protos.splitkeep.metadata.v1.secure_values_pb2 import Decrypters, EditSecureValueRequest
from tests.fakes.gateway.services import CREATOR, READER, WRITER
from tests.integration.gateway.conftest import KEEPERS, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "the-value-itself-8a41"
ONE = f"{VALUES}/pg-main"
AWS = f"{KEEPERS}/aws"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def a_draft(**fields: Any) -> SecureValueDraft:
    draft = SecureValueDraft(
        namespace="default", name="pg-main", description="d", labels={"team": "x"}
    )
    draft.MergeFrom(SecureValueDraft(**fields))
    return draft


@pytest.fixture(autouse=True)
def there_are_a_secure_value_and_a_keeper(gateway: Gateway) -> None:
    gateway.store.put(a_draft(decrypters=["k6-cloud"]), version=1, value=b"first")
    role = AwsAssumeRole(assume_role_arn="a", external_id="e")
    aws = AwsKeeper(region="r", assume_role=role)
    keeper = KeeperDraft(namespace="default", name="aws", description="d", aws=aws)
    gateway.store.put_keeper(keeper)


async def patched(
    gateway: Gateway,
    patch: Any,
    content_type: str = MERGE_PATCH,
    *,
    path: str = ONE,
    token: str = "admin-token",
) -> Any:
    content = patch if isinstance(patch, bytes) else json.dumps(patch).encode()
    async with gateway.http(token) as http:
        return await http.patch(path, content=content, headers={"Content-Type": content_type})


LABEL: dict[str, Any] = {
    MERGE_PATCH: {"metadata": {"labels": {"env": "prod"}}},
    JSON_PATCH: [{"op": "add", "path": "/metadata/labels/env", "value": "prod"}],
}


@pytest.mark.parametrize("content_type", LABEL)
async def test_a_label_is_set_by_metadata_alone_at_the_version_that_was_read(
    gateway: Gateway, content_type: str
) -> None:
    before = gateway.store.objects["default", "pg-main"]

    answer = await patched(gateway, LABEL[content_type], content_type)

    assert answer.status_code == 200
    assert answer.json()["metadata"]["labels"] == {"team": "x", "env": "prod"}
    assert gateway.store.rpcs() == ["metadata.Get", "metadata.Update"]
    (_, read), (_, written) = gateway.store.calls
    assert read.to_update
    assert written.preconditions.resource_version == str(before.resource_version)
    assert written.preconditions.uid == before.uid
    assert list(written.draft.decrypters) == ["k6-cloud"]
    assert gateway.store.values["default", "pg-main"] == b"first"


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        (MERGE_PATCH, {"spec": {"aws": {"region": "new"}}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/aws/region", "value": "new"}]),
    ],
)
async def test_a_keeper_is_patched(gateway: Gateway, content_type: str, patch: Any) -> None:
    answer = await patched(gateway, patch, content_type, path=AWS)

    assert answer.json()["spec"]["aws"]["region"] == "new"
    assert answer.json()["spec"]["aws"]["assumeRole"]["externalID"] == "e"


WITH_VALUE: dict[str, Any] = {
    MERGE_PATCH: {"spec": {"value": VALUE}},
    JSON_PATCH: [{"op": "add", "path": "/spec/value", "value": VALUE}],
}


@pytest.mark.parametrize("content_type", WITH_VALUE)
async def test_a_value_goes_to_the_vault_and_nowhere_else(
    gateway: Gateway, content_type: str
) -> None:
    answer = await patched(gateway, WITH_VALUE[content_type], content_type)

    assert answer.status_code == 200
    assert answer.json()["status"]["version"] == 2
    assert gateway.store.rpcs() == ["metadata.Get", "vault.Update"]
    assert gateway.store.values["default", "pg-main"] == VALUE.encode()
    assert VALUE not in str(gateway.store.calls[1][1].draft)
    assert VALUE not in answer.text


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        (MERGE_PATCH, {"spec": {"value": None}}),
        (MERGE_PATCH, {}),
        (MERGE_PATCH, {"status": {"version": 9}}),
        (JSON_PATCH, []),
        (JSON_PATCH, [{"op": "add", "path": "/spec/value", "value": None}]),
        (JSON_PATCH, [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]),
    ],
)
async def test_a_patch_that_changes_nothing_writes_nothing(
    gateway: Gateway, content_type: str, patch: Any
) -> None:
    before = gateway.store.resource_version
    metadata_entry = [{"op": "add", "path": "/metadata/managedFields", "value": []}]
    if content_type == JSON_PATCH and patch and "managedFields" in patch[0]["path"]:
        patch = metadata_entry + patch

    answer = await patched(gateway, patch, content_type)

    assert answer.status_code == 200
    assert gateway.store.rpcs() == ["metadata.Get", "metadata.Update"]
    assert gateway.store.resource_version == before
    assert gateway.store.values["default", "pg-main"] == b"first"


async def test_a_replace_of_the_value_that_no_reader_sees_does_not_fit(
    gateway: Gateway,
) -> None:
    patch = [{"op": "replace", "path": "/spec/value", "value": VALUE}]

    answer = await patched(gateway, patch, JSON_PATCH)

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert VALUE not in answer.text


@pytest.mark.parametrize("name", ["copy", "move", "test"])
@pytest.mark.parametrize("where", ["/spec/value", "/spec", ""])
async def test_nothing_is_read_from_where_a_value_is_written(
    gateway: Gateway, name: str, where: str
) -> None:
    operation = {"op": name, "from": where, "path": "/metadata/annotations/a", "value": "x"}
    if name == "test":
        operation["path"] = where
    write = {"op": "add", "path": "/spec/value", "value": VALUE}

    answer = await patched(gateway, [write, operation], JSON_PATCH)

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert "operation 2 of the JSON patch" in answer.json()["message"]
    assert VALUE not in answer.text
    assert gateway.store.calls == []


async def test_a_test_that_holds_lets_the_patch_through(gateway: Gateway) -> None:
    test = {"op": "test", "path": "/metadata/labels/team", "value": "x"}

    answer = await patched(gateway, [test, *LABEL[JSON_PATCH]], JSON_PATCH)

    assert answer.status_code == 200


async def test_a_test_that_does_not_hold_is_unprocessable_and_quotes_nothing(
    gateway: Gateway,
) -> None:
    test = {"op": "test", "path": "/metadata/labels/team", "value": "mark-4711"}

    answer = await patched(gateway, [*LABEL[JSON_PATCH], test], JSON_PATCH)

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert "operation 2 of the JSON patch (test)" in answer.json()["message"]
    assert "mark-4711" not in answer.text
    assert gateway.store.rpcs() == ["metadata.Get"]


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"metadata": {"name": "other"}}, 400),
        ({"metadata": {"namespace": "other"}}, 400),
        ({"kind": "Keeper"}, 400),
        ({"apiVersion": "secret.grafana.app/v1"}, 400),
        ({"metadata": {"uid": "other"}}, 409),
        ({"metadata": {"resourceVersion": "999"}}, 409),
        ({"metadata": ["x"]}, 400),
        ({"spec": {"description": 5}}, 400),
        ({"spec": {"decrypters": "x"}}, 400),
        ({"spec": {"description": None}}, 422),
        ({"spec": None}, 422),
        ({"spec": {"value": ""}}, 422),
    ],
)
@pytest.mark.parametrize("content_type", LABEL)
async def test_what_cannot_be_changed_or_be_is_refused(
    gateway: Gateway, content_type: str, patch: Any, code: int
) -> None:
    sent: Any = patch if content_type == MERGE_PATCH else operations_of(patch)
    before = gateway.store.resource_version

    answer = await patched(gateway, sent, content_type)

    assert answer.status_code == code
    assert gateway.store.resource_version == before


def operations_of(merge_patch: Any) -> list[dict[str, Any]]:
    """The JSON patch that says the same as a merge patch of one field."""
    path, value = "", merge_patch
    while isinstance(value, dict):
        ((name, value),) = value.items()
        path += f"/{name}"
    if value is None:
        return [{"op": "remove", "path": path}]
    return [{"op": "add", "path": path, "value": value}]


async def test_an_object_that_is_not_there_is_not_found(gateway: Gateway) -> None:
    answer = await patched(gateway, {}, path=f"{VALUES}/other")

    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")


async def test_where_another_is_faster_the_patch_is_made_again(gateway: Gateway) -> None:
    drafts = [a_draft(description=f"by another {n}") for n in range(ATTEMPTS - 1)]
    gateway.store.interruptions = [
        partial(gateway.store.put, draft, version=1) for draft in drafts
    ]

    answer = await patched(gateway, LABEL[MERGE_PATCH])

    assert answer.status_code == 200
    assert answer.json()["spec"]["description"] == drafts[-1].description
    assert answer.json()["metadata"]["labels"] == {"team": "x", "env": "prod"}
    assert gateway.store.rpcs() == ["metadata.Get", "metadata.Update"] * ATTEMPTS


async def test_a_patch_is_not_made_again_without_end(gateway: Gateway) -> None:
    gateway.store.failing_rpcs["metadata.Update"] = ConflictError()

    answer = await patched(gateway, LABEL[MERGE_PATCH])

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert gateway.store.rpcs().count("metadata.Update") == ATTEMPTS


async def test_a_decrypter_that_was_removed_meanwhile_is_not_granted_again(
    gateway: Gateway,
) -> None:
    without = a_draft()
    gateway.store.interruptions = [lambda: gateway.store.put(without, version=1)]

    answer = await patched(gateway, LABEL[MERGE_PATCH])

    assert answer.status_code == 200
    assert "decrypters" not in answer.json()["spec"]


@pytest.mark.parametrize("content_type", LABEL)
async def test_a_version_of_the_clients_own_is_tried_once(
    gateway: Gateway, content_type: str
) -> None:
    version = str(gateway.store.objects["default", "pg-main"].resource_version)
    pin: Any = {"metadata": {"resourceVersion": version, "labels": {"env": "prod"}}}
    if content_type == JSON_PATCH:
        path = "/metadata/resourceVersion"
        pin = [{"op": "replace", "path": path, "value": version}, *LABEL[JSON_PATCH]]
    other = a_draft(description="by another")
    gateway.store.interruptions = [lambda: gateway.store.put(other, version=1)]

    answer = await patched(gateway, pin, content_type)

    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert gateway.store.objects["default", "pg-main"].description == "by another"
    assert "env" not in gateway.store.objects["default", "pg-main"].labels


async def test_a_deletion_meanwhile_is_told(gateway: Gateway) -> None:
    key = ("default", "pg-main")
    gateway.store.interruptions = [lambda: gateway.store.remove(gateway.store.objects, key)]

    answer = await patched(gateway, LABEL[MERGE_PATCH])

    assert answer.status_code == 404


@pytest.mark.parametrize("patch", [LABEL, WITH_VALUE], ids=["metadata", "vault"])
@pytest.mark.parametrize("content_type", LABEL)
async def test_a_dry_run_writes_nothing(
    gateway: Gateway, content_type: str, patch: dict[str, Any]
) -> None:
    before = gateway.store.resource_version
    path = f"{ONE}?dryRun=All"

    answer = await patched(gateway, patch[content_type], content_type, path=path)

    assert answer.status_code == 200
    assert gateway.store.calls[-1][1].dry_run
    assert gateway.store.resource_version == before
    assert gateway.store.values["default", "pg-main"] == b"first"


@pytest.mark.parametrize("token", [WRITER, CREATOR])
async def test_who_may_write_and_not_read_edits_by_a_merge_patch_and_is_told_the_identity(
    gateway: Gateway, token: str
) -> None:
    answer = await patched(gateway, LABEL[MERGE_PATCH], token=token)

    found = gateway.store.objects["default", "pg-main"]
    assert answer.status_code == 200
    assert answer.json() == {
        "kind": "SecureValue",
        "apiVersion": "secret.grafana.app/v1beta1",
        "metadata": {
            "name": "pg-main",
            "namespace": "default",
            "uid": found.uid,
            "resourceVersion": str(found.resource_version),
        },
    }
    assert found.labels["env"] == "prod"
    assert gateway.store.rpcs() == ["metadata.Get", "metadata.Edit"]
    assert gateway.store.calls[0][1].identity_suffices


@pytest.mark.parametrize(
    ("patch", "edit"),
    [
        ({}, {}),
        (
            {"metadata": {"labels": {"a": "1", "b": None}}},
            {"put_labels": {"a": "1"}, "remove_labels": ["b"]},
        ),
        ({"spec": {"description": "e"}}, {"description": "e"}),
        ({"spec": {"decrypters": ["x"]}}, {"decrypters": Decrypters(names=["x"])}),
        ({"spec": {"decrypters": None}}, {"decrypters": Decrypters()}),
        (
            {"metadata": {"uid": "u", "resourceVersion": "7"}},
            {"preconditions": Preconditions(uid="u", resource_version="7")},
        ),
        (
            {
                "apiVersion": "secret.grafana.app/v1beta1",
                "kind": "SecureValue",
                "metadata": {
                    "name": "pg-main",
                    "managedFields": None,
                    "annotations": {"grafana.app/createdBy": "user:other"},
                },
                "status": {"version": 7},
            },
            {},
        ),
    ],
)
async def test_a_merge_patch_of_who_may_not_read_is_an_edit_that_means_the_same(
    gateway: Gateway, patch: Any, edit: dict[str, Any]
) -> None:
    await patched(gateway, patch, path=f"{ONE}?fieldManager=m&dryRun=All", token=WRITER)

    (_, sent) = gateway.store.calls[-1]
    assert sent == EditSecureValueRequest(
        namespace="default",
        name="pg-main",
        manager=FieldManager(name="m", api_version="secret.grafana.app/v1beta1"),
        dry_run=True,
        **({"preconditions": Preconditions()} | edit),
    )


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": None},
        {"spec": None},
        {"metadata": {"labels": None}},
        {"metadata": {"annotations": None}},
        {"metadata": {"annotations": {"a": "1"}}},
        {"metadata": {"annotations": {"a": None}}},
        {"metadata": {"ownerReferences": [{}]}},
        {"spec": {"value": "new"}},
        {"spec": {"value": None}},
        {"spec": {"ref": "r"}},
    ],
)
async def test_any_other_merge_patch_needs_the_right_to_read(
    gateway: Gateway, patch: Any
) -> None:
    answer = await patched(gateway, patch, token=WRITER)

    assert (answer.status_code, gateway.store.rpcs()) == (403, ["metadata.Get"])
    message = answer.json()["message"]
    assert "secret.securevalues:read is not granted here" in message
    assert "POST securevalues/pg-main/edit" in message


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/description", "value": "d"},
        {"op": "copy", "from": "/spec/description", "path": "/metadata/labels/a"},
        {"op": "move", "from": "/metadata/labels/team", "path": "/metadata/labels/a"},
        {"op": "add", "path": "/metadata/labels/a", "value": "1"},
        {"op": "remove", "path": "/metadata/labels/team"},
        {"op": "replace", "path": "/spec/decrypters/0", "value": "x"},
        {"op": "add", "path": "/spec/decrypters/1", "value": "x"},
    ],
)
async def test_who_may_not_read_cannot_ask_by_patching(
    gateway: Gateway, operation: dict[str, str]
) -> None:
    answer = await patched(gateway, [operation], JSON_PATCH, token=WRITER)

    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
    assert gateway.store.rpcs() == ["metadata.Get"]


async def test_who_may_not_write_is_forbidden_whatever_there_is(gateway: Gateway) -> None:
    answers = [
        await patched(gateway, {}, path=path, token=READER) for path in (ONE, f"{VALUES}/none")
    ]

    assert [answer.status_code for answer in answers] == [403, 403]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/strategic-merge-patch+json",
        "application/json",
        "application/yaml",
        "application/apply-patch+cbor",
        "",
    ],
)
async def test_other_forms_are_refused_and_those_that_are_taken_named(
    gateway: Gateway, content_type: str
) -> None:
    answer = await patched(gateway, {}, content_type)

    taken = f"{JSON_PATCH}, {MERGE_PATCH}, {APPLY_PATCH}"
    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")
    assert answer.headers["accept-patch"] == taken
    assert answer.json()["message"] == (
        "the body of the request was in an unknown format - accepted media types include: "
        + taken
    )
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON_PATCH, b"{}"),
        (JSON_PATCH, b'[{"op": "add", "path": "spec", "value": 1}]'),
        (JSON_PATCH, b"never"),
        (MERGE_PATCH, b"[]"),
        (MERGE_PATCH, b'"text"'),
        (MERGE_PATCH, b"null"),
        (MERGE_PATCH, b""),
        (APPLY_PATCH, b"- a"),
        (APPLY_PATCH, b"a: *b"),
    ],
)
async def test_what_is_no_patch_is_a_bad_request(
    gateway: Gateway, content_type: str, body: bytes
) -> None:
    answer = await patched(gateway, body, content_type, path=f"{ONE}?fieldManager=m")

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert gateway.store.calls == []


async def test_a_patch_that_makes_no_object_is_unprocessable(gateway: Gateway) -> None:
    answer = await patched(gateway, [{"op": "add", "path": "", "value": []}], JSON_PATCH)

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")


async def test_too_many_operations_are_too_large(gateway: Gateway) -> None:
    answer = await patched(gateway, LABEL[JSON_PATCH] * 1_001, JSON_PATCH)

    assert (answer.status_code, answer.json()["reason"]) == (413, "RequestEntityTooLarge")


async def test_a_patch_that_copies_itself_large_is_too_large(gateway: Gateway) -> None:
    start = {"op": "add", "path": "/metadata/annotations", "value": {"a": {}}}
    doubling = [
        {"op": "copy", "from": "/metadata/annotations", "path": f"/metadata/annotations/{n}"}
        for n in range(40)
    ]

    answer = await patched(gateway, [start, *doubling], JSON_PATCH)

    assert (answer.status_code, answer.json()["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("content_type", LABEL)
async def test_what_kubectl_repeats_goes_no_further(
    gateway: Gateway, content_type: str
) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": VALUE, "mine": "1"}
    patch: Any = {"metadata": {"annotations": applied}, "spec": {"foo": VALUE}}
    if content_type == JSON_PATCH:
        patch = [
            {"op": "add", "path": "/metadata/annotations", "value": applied},
            {"op": "add", "path": "/spec/foo", "value": VALUE},
        ]

    answer = await patched(gateway, patch, content_type)

    assert answer.status_code == 200
    assert VALUE not in str(gateway.store.calls)
    assert VALUE not in answer.text + str(answer.headers)
    assert answer.json()["metadata"]["annotations"]["mine"] == "1"
    assert answer.headers.get_list("warning") == [r'299 - "unknown field \"spec.foo\""']


@pytest.mark.parametrize("content_type", LABEL)
async def test_strictness_refuses_what_a_patch_adds(
    gateway: Gateway, content_type: str
) -> None:
    patch: Any = {"spec": {"foo": VALUE}}
    sent = patch if content_type == MERGE_PATCH else operations_of(patch)

    answer = await patched(gateway, sent, content_type, path=f"{ONE}?fieldValidation=Strict")

    assert answer.status_code == 400
    assert answer.json()["message"] == 'strict decoding error: unknown field "spec.foo"'
    assert gateway.store.rpcs() == ["metadata.Get"]


async def test_strictness_sees_a_field_given_twice(gateway: Gateway) -> None:
    body = b'{"metadata": {"labels": {"a": "1", "a": "2"}}}'

    answer = await patched(gateway, body, path=f"{ONE}?fieldValidation=Strict")

    assert answer.status_code == 400
    assert answer.json()["message"].endswith('duplicate field "metadata.labels.a"')


async def test_who_patches_becomes_the_owner_of_what_changes(gateway: Gateway) -> None:
    path = f"{ONE}?fieldManager=kubectl-label"

    answer = await patched(gateway, LABEL[MERGE_PATCH], path=path)

    owners = {
        entry["manager"]: entry["fieldsV1"]
        for entry in answer.json()["metadata"]["managedFields"]
    }
    assert owners["kubectl-label"] == {"f:metadata": {"f:labels": {"f:env": {}}}}


async def test_only_an_apply_can_be_forced(gateway: Gateway) -> None:
    answer = await patched(gateway, {}, path=f"{ONE}?force=true")

    assert (answer.status_code, gateway.store.calls) == (422, [])
    (cause,) = answer.json()["details"]["causes"]
    assert (cause["field"], cause["reason"]) == ("force", "FieldValueForbidden")
