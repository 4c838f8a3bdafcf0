"""`POST {name}/edit`: parts of an object are changed, and nothing is read."""

from typing import Any

import pytest

from chassis.errors import ConflictError
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager
from protos.splitkeep.metadata.v1.keepers_pb2 import (
    AwsKeeper,
    EditKeeperRequest,
    KeeperDraft,
)
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions, SecureValueDraft
from protos.splitkeep.metadata.v1.secure_values_pb2 import EditSecureValueRequest
from tests.fakes.gateway.services import ADMIN, READER, WRITER
from tests.integration.gateway.conftest import KEEPERS, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

API = "secret.grafana.app/v1beta1"
ONE, AWS = f"{VALUES}/pg-main/edit", f"{KEEPERS}/aws/edit"
VALUE = "the-value-itself-91c3"
BODY: dict[str, Any] = {
    "description": "e",
    "labels": {"put": {"a": "1"}, "remove": ["team"]},
    "decrypters": {"add": ["b"], "remove": ["k6-cloud"]},
    "preconditions": {"resourceVersion": "0", "uid": ""},
}


@pytest.fixture(autouse=True)
def there_are_a_secure_value_and_a_keeper(gateway: Gateway) -> None:
    draft = SecureValueDraft(
        namespace="default",
        name="pg-main",
        description="d",
        labels={"team": "x"},
        decrypters=["k6-cloud"],
    )
    gateway.store.put(draft, version=1)
    keeper = KeeperDraft(
        namespace="default", name="aws", description="d", aws=AwsKeeper(region="r")
    )
    gateway.store.put_keeper(keeper)


async def edited(gateway: Gateway, path: str, body: Any, token: str = ADMIN) -> Any:
    async with gateway.http(token) as http:
        return await http.post(path, json=body)


async def test_the_named_parts_change_in_one_call(gateway: Gateway) -> None:
    answer = await edited(gateway, f"{ONE}?fieldManager=m&dryRun=All", BODY)

    assert answer.status_code == 200
    assert answer.json()["metadata"]["labels"] == {"a": "1"}
    assert answer.json()["spec"] == {"description": "e", "decrypters": ["b"]}
    ((rpc, sent),) = gateway.store.calls
    assert rpc == "metadata.Edit"
    assert sent == EditSecureValueRequest(
        namespace="default",
        name="pg-main",
        description="e",
        put_labels={"a": "1"},
        remove_labels=["team"],
        add_decrypters=["b"],
        remove_decrypters=["k6-cloud"],
        preconditions=Preconditions(),
        manager=FieldManager(name="m", api_version=API),
        dry_run=True,
    )


async def test_a_keeper_has_the_same_without_decrypters(gateway: Gateway) -> None:
    answer = await edited(gateway, f"{AWS}?fieldManager=m", BODY)

    assert answer.status_code == 200
    assert answer.headers.get_list("warning") == ['299 - "unknown field \\"decrypters\\""']
    ((_, sent),) = gateway.store.calls
    assert sent == EditKeeperRequest(
        namespace="default",
        name="aws",
        description="e",
        put_labels={"a": "1"},
        remove_labels=["team"],
        preconditions=Preconditions(),
        manager=FieldManager(name="m", api_version=API),
    )


@pytest.mark.parametrize("path", [ONE, AWS])
async def test_who_may_not_read_is_told_the_identity_only(gateway: Gateway, path: str) -> None:
    answer = await edited(gateway, path, {"labels": {"put": {"a": "1"}}}, WRITER)

    assert answer.status_code == 200
    assert answer.json().keys() == {"kind", "apiVersion", "metadata"}
    assert answer.json()["metadata"].keys() == {"name", "namespace", "uid", "resourceVersion"}


@pytest.mark.parametrize("path", [ONE, AWS])
async def test_it_needs_the_right_to_write(gateway: Gateway, path: str) -> None:
    assert (await edited(gateway, path, {}, READER)).status_code == 403


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], 400),
        ({"labels": {"put": {"a": None}}}, 400),
        ({"labels": ["a"]}, 400),
        ({"decrypters": {"add": "b"}}, 400),
        ({"description": 1}, 400),
        ({"description": ""}, 422),
        ({"preconditions": {"resourceVersion": "77"}}, 409),
    ],
)
async def test_what_is_no_edit_is_refused(gateway: Gateway, body: Any, code: int) -> None:
    assert (await edited(gateway, ONE, body)).status_code == code


async def test_an_unknown_field_goes_no_further(gateway: Gateway) -> None:
    body = {"spec": {"value": VALUE}, "value": VALUE, "labels": {"value": VALUE}}

    answer = await edited(gateway, ONE, body)
    strict = await edited(gateway, f"{ONE}?fieldValidation=Strict", body)

    assert (answer.status_code, strict.status_code) == (200, 400)
    assert VALUE not in answer.text + str(answer.headers) + str(gateway.store.calls)


@pytest.mark.parametrize(
    ("path", "code"), [(f"{VALUES}/none/edit", 404), (f"{VALUES}/pg-main/edits", 404)]
)
async def test_there_is_nothing_else_to_edit(gateway: Gateway, path: str, code: int) -> None:
    assert (await edited(gateway, path, {})).status_code == code


async def test_a_patch_without_the_right_to_read_is_one_write_and_no_retry(
    gateway: Gateway,
) -> None:
    """The state that was read is no part of it, so nobody can be faster."""
    gateway.store.failing_rpcs["metadata.Edit"] = ConflictError()
    merge = {"Content-Type": "application/merge-patch+json"}

    async with gateway.http(WRITER) as http:
        answer = await http.patch(f"{VALUES}/pg-main", content="{}", headers=merge)

    assert answer.status_code == 409
    assert gateway.store.rpcs() == ["metadata.Get", "metadata.Edit"]


@pytest.mark.parametrize("path", [f"{VALUES}/pg-main", f"{KEEPERS}/aws"])
async def test_finalizers_are_refused_without_the_right_to_read_too(
    gateway: Gateway, path: str
) -> None:
    merge = {"Content-Type": "application/merge-patch+json"}

    async with gateway.http(WRITER) as http:
        answer = await http.patch(
            path, content='{"metadata": {"finalizers": ["example.com/wait"]}}', headers=merge
        )

    assert answer.status_code == 422
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == [
        "metadata.finalizers"
    ]
