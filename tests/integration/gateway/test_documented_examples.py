"""The REST examples people copy: created, listed, read, changed and deleted by curl."""

import json
from typing import Any

import pytest

from tests.fakes.gateway.services import READER
from tests.integration.gateway.conftest import VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREATE: dict[str, Any] = {
    "metadata": {"name": "pg-main", "labels": {"team": "platform"}},
    "spec": {
        "description": "Main PG password",
        "value": "kept-out-of-answers",
        "decrypters": ["synthetic-monitoring"],
    },
}


def sending(method: str, body: dict[str, Any]) -> tuple[str, ...]:
    header = "Content-Type: application/json"
    return ("--request", method, "--header", header, "--data", json.dumps(body))


async def test_create_answers_201_and_the_object_without_its_value(gateway: Gateway) -> None:
    status, created = await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)

    assert status == 201
    assert created["kind"] == "SecureValue"
    assert created["apiVersion"] == "secret.grafana.app/v1beta1"
    assert created["metadata"]["name"] == "pg-main"
    assert created["metadata"]["namespace"] == "default"
    assert created["metadata"]["resourceVersion"] == "1"
    assert created["metadata"]["creationTimestamp"] == "2026-02-16T00:00:00Z"
    assert created["metadata"]["annotations"] == {
        "grafana.app/createdBy": "user:u1",
        "grafana.app/updatedBy": "user:u1",
        "grafana.app/updatedTimestamp": "2026-02-16T00:00:00Z",
    }
    assert created["spec"] == {
        "description": "Main PG password",
        "decrypters": ["synthetic-monitoring"],
    }
    assert created["status"] == {"version": 1, "keeper": "system"}
    assert gateway.store.values == {("default", "pg-main"): b"kept-out-of-answers"}


async def test_a_second_create_is_a_conflict_in_words_that_clients_look_for(
    gateway: Gateway,
) -> None:
    await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)

    status, answer = await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)

    assert (status, answer["reason"], answer["code"]) == (409, "AlreadyExists", 409)
    assert answer["message"] == (
        'secure value already exists: securevalues.secret.grafana.app "pg-main" already exists'
    )


async def test_list_and_get_show_what_was_created(gateway: Gateway) -> None:
    _, created = await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)

    listed = await gateway.curl(gateway.url + VALUES)
    got = await gateway.curl(f"{gateway.url}{VALUES}/pg-main")

    assert listed == (
        200,
        {
            "kind": "SecureValueList",
            "apiVersion": "secret.grafana.app/v1beta1",
            "metadata": {"resourceVersion": "1"},
            "items": [created],
        },
    )
    assert got == (200, created)


async def test_put_without_a_value_keeps_it_and_the_version(gateway: Gateway) -> None:
    await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)
    body = {"metadata": {"name": "pg-main"}, "spec": {"description": "renamed"}}

    status, updated = await gateway.curl(
        *sending("PUT", body), f"{gateway.url}{VALUES}/pg-main"
    )

    assert (status, updated["status"]["version"]) == (200, 1)
    assert updated["spec"] == {"description": "renamed"}
    assert gateway.store.calls[-1][0] == "metadata.Update"
    assert gateway.store.values == {("default", "pg-main"): b"kept-out-of-answers"}


async def test_put_with_a_value_makes_a_version(gateway: Gateway) -> None:
    await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)

    status, updated = await gateway.curl(
        *sending("PUT", CREATE), f"{gateway.url}{VALUES}/pg-main"
    )

    assert (status, updated["status"]["version"]) == (200, 2)
    assert gateway.store.calls[-1][0] == "vault.Update"


async def test_delete_answers_success_and_then_nothing_is_found(gateway: Gateway) -> None:
    _, created = await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)
    url = f"{gateway.url}{VALUES}/pg-main"

    deleted = await gateway.curl("--request", "DELETE", url)
    again = await gateway.curl("--request", "DELETE", url)

    assert deleted == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "code": 200,
            "details": {
                "name": "pg-main",
                "group": "secret.grafana.app",
                "kind": "securevalues",
                "uid": created["metadata"]["uid"],
            },
        },
    )
    assert again[0] == 404
    assert again[1]["message"] == 'securevalue.secret.grafana.app "pg-main" not found'


async def test_a_reader_may_not_write(gateway: Gateway) -> None:
    status, answer = await gateway.curl(
        *sending("POST", CREATE), gateway.url + VALUES, token=READER
    )

    assert (status, answer["reason"]) == (403, "Forbidden")


async def test_the_synthetic_monitoring_list_finds_its_own(gateway: Gateway) -> None:
    await gateway.curl(*sending("POST", CREATE), gateway.url + VALUES)
    query = "?fieldSelector=spec.decrypter=synthetic-monitoring"
    other = "?fieldSelector=spec.decrypter=k6-cloud"

    _, mine = await gateway.curl(gateway.url + VALUES + query)
    _, theirs = await gateway.curl(gateway.url + VALUES + other)

    assert [item["metadata"]["name"] for item in mine["items"]] == ["pg-main"]
    assert theirs["items"] == []
