"""The documented REST examples, sent by curl as people send them."""

import json
import subprocess
from typing import Any

from tests.e2e.stack import Stack, a_canary

EXAMPLE: dict[str, Any] = {
    "metadata": {"name": "api-token", "labels": {"team": "platform"}},
    "spec": {"description": "Token of the API", "decrypters": ["synthetic-monitoring"]},
}


def curl(stack: Stack, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    info = stack.info
    command = ["curl", "-sS", "--cacert", info["ca"], "-X", method, "-w", "\n%{http_code}"]
    command += ["-H", f"Authorization: Bearer {info['tokens']['admin']}"]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "-d", "@-"]
    done = subprocess.run(
        [*command, f"{stack.url}{path}"],
        input=json.dumps(body),
        check=True,
        capture_output=True,
        text=True,
    )
    answer, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(answer)


def with_value(value: str) -> dict[str, Any]:
    return EXAMPLE | {"spec": EXAMPLE["spec"] | {"value": value}}


def test_the_documented_life_of_a_secure_value(stack: Stack) -> None:
    status, created = curl(stack, "POST", "/securevalues", with_value(a_canary()))
    assert status == 201
    assert (created["kind"], created["apiVersion"]) == (
        "SecureValue",
        "secret.grafana.app/v1beta1",
    )
    assert created["metadata"]["namespace"] == "default"
    assert created["spec"] == EXAMPLE["spec"]
    assert created["status"] == {"version": 1, "keeper": "system"}
    assert created["metadata"]["annotations"]["grafana.app/createdBy"].startswith("user:")

    status, listed = curl(stack, "GET", "/securevalues?labelSelector=team%3Dplatform")
    assert status == 200
    assert listed["kind"] == "SecureValueList"
    assert [item["metadata"]["name"] for item in listed["items"]] == ["api-token"]
    assert listed["metadata"]["resourceVersion"]

    status, listed = curl(
        stack, "GET", "/securevalues?fieldSelector=spec.decrypter%3Dsynthetic-monitoring"
    )
    assert [item["metadata"]["name"] for item in listed["items"]] == ["api-token"]

    status, got = curl(stack, "GET", "/securevalues/api-token")
    assert (status, got) == (200, created)

    edited = EXAMPLE | {"spec": EXAMPLE["spec"] | {"description": "Another description"}}
    status, updated = curl(stack, "PUT", "/securevalues/api-token", edited)
    assert status == 200
    assert updated["spec"]["description"] == "Another description"
    assert updated["metadata"]["uid"] == created["metadata"]["uid"]
    assert int(updated["metadata"]["resourceVersion"]) > int(
        created["metadata"]["resourceVersion"]
    )

    status, replaced = curl(stack, "PUT", "/securevalues/api-token", with_value(a_canary()))
    assert (status, replaced["status"]["version"]) == (200, 2)

    status, deleted = curl(stack, "DELETE", "/securevalues/api-token")
    assert (status, deleted["kind"], deleted["status"]) == (200, "Status", "Success")

    status, missing = curl(stack, "GET", "/securevalues/api-token")
    assert (status, missing["kind"], missing["reason"]) == (404, "Status", "NotFound")


def test_a_generated_name_starts_with_its_prefix(stack: Stack) -> None:
    body = {
        "metadata": {"generateName": "made-"},
        "spec": {"description": "named by the server", "value": a_canary()},
    }

    status, created = curl(stack, "POST", "/securevalues", body)

    assert status == 201
    assert created["metadata"]["name"].startswith("made-")


def test_a_second_create_of_a_name_says_that_it_exists(stack: Stack) -> None:
    assert stack.create("taken", a_canary()).status_code == 201

    answer = stack.create("taken", a_canary())

    assert (answer.status_code, answer.json()["reason"]) == (409, "AlreadyExists")
    assert "secure value already exists" in answer.json()["message"]


def test_an_annotation_with_the_applied_object_is_kept_without_the_value(
    stack: Stack,
) -> None:
    value = a_canary()
    key = "kubectl.kubernetes.io/last-applied-configuration"
    whole = {"kind": "SecureValue", "spec": {"description": "d", "value": value}}
    applied = {key: json.dumps(whole)}
    body = {
        "metadata": {"name": "applied", "annotations": applied},
        "spec": {"description": "as kubectl apply sends it", "value": value},
    }

    status, created = curl(stack, "POST", "/securevalues", body)

    assert status == 201
    assert json.loads(created["metadata"]["annotations"][key]) == {
        "kind": "SecureValue",
        "spec": {"description": "d"},
    }


def test_a_stale_resource_version_is_a_conflict(stack: Stack) -> None:
    created = stack.create("stale", a_canary()).json()
    stack.put("stale", description="moved on")
    body = {
        "metadata": {
            "name": "stale",
            "resourceVersion": created["metadata"]["resourceVersion"],
        },
        "spec": {"description": "from an old copy"},
    }

    status, answer = curl(stack, "PUT", "/securevalues/stale", body)

    assert (status, answer["reason"]) == (409, "Conflict")
