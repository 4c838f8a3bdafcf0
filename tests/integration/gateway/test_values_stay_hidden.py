"""A value is found in no answer, header, log line or message but the one to the vault.

It is looked for wherever a client can put it, and by each verb and form of body.
"""

import json
import logging
from typing import Any

import pytest

from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.integration.gateway.conftest import VALUES, Gateway
from tests.unit.test_last_applied import CLEAN, HIDING_PLACES, with_spec

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "the-canary-itself-7d20"
ONE = f"{VALUES}/pg-main"
LAST = "kubectl.kubernetes.io/last-applied-configuration"

FORMS: dict[str, tuple[str, str, str]] = {
    "create": ("POST", VALUES, "application/json"),
    "create by YAML": ("POST", VALUES, "application/yaml"),
    "replace": ("PUT", ONE, "application/json"),
    "merge patch": ("PATCH", ONE, "application/merge-patch+json"),
    "JSON patch": ("PATCH", ONE, "application/json-patch+json"),
    "apply": ("PATCH", f"{ONE}?fieldManager=m&force=true", "application/apply-patch+yaml"),
}

PLACES: dict[str, Any] = {
    "the value": {"spec": {"value": VALUE}},
    "the value, too long": {"spec": {"value": VALUE * 2_000}},
    "an unknown field's content": {"spec": {"value": VALUE, "foo": VALUE}},
    "a deep unknown field": {"spec": {"value": VALUE}, "secure": [{"deep": {"er": VALUE}}]},
    **{
        f"what kubectl applied last: {place}": {
            "metadata": {"name": "pg-main", "annotations": {LAST: text}}
        }
        for place, text in HIDING_PLACES.items()
        if len(text) < 100_000
    },
    "a status": {"status": {"externalID": VALUE, "operatorStates": {"a": {"state": VALUE}}}},
    "managed fields": {"metadata": {"managedFields": [{"manager": VALUE}]}},
    "a list as the value": {"spec": {"value": [VALUE]}},
    "an object as the value": {"spec": {"value": {"a": VALUE}}},
    "a value for a list": {"spec": {"decrypters": VALUE}},
    "a value for an object": {"metadata": {"labels": VALUE}},
    "another kind": {"kind": VALUE},
    "another version": {"apiVersion": VALUE},
    "another namespace": {"metadata": {"namespace": VALUE}},
}


def body_of(form: str, place: Any) -> str:
    whole: dict[str, Any] = {
        "apiVersion": "secret.grafana.app/v1beta1",
        "kind": "SecureValue",
        "metadata": {"name": "pg-main"},
        "spec": {"description": "d"},
    }
    for key, inner in place.items():
        whole[key] = whole.get(key, {}) | inner if isinstance(inner, dict) else inner
    if form != "JSON patch":
        return json.dumps(whole)
    operations = [
        {"op": "add", "path": f"/{key}", "value": inner} for key, inner in whole.items()
    ]
    return json.dumps(operations)


@pytest.mark.parametrize("validation", ["Strict", "Warn"])
@pytest.mark.parametrize("form", FORMS)
async def test_it_is_seen_nowhere(
    gateway: Gateway, form: str, validation: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    method, path, content_type = FORMS[form]
    path += ("&" if "?" in path else "?") + f"fieldValidation={validation}"
    seen: list[tuple[str, int]] = []

    async with gateway.http() as http:
        for place, inner in PLACES.items():
            gateway.store.clear()
            if method != "POST":
                draft = SecureValueDraft(namespace="default", name="pg-main", description="d")
                gateway.store.put(draft, version=1)
            answer = await http.request(
                method,
                path,
                content=body_of(form, inner),
                headers={"Content-Type": content_type},
            )
            seen.append((place, answer.status_code))
            assert VALUE not in answer.text, place
            assert VALUE not in str(answer.headers.raw), place
            for rpc, request in gateway.store.calls:
                carried = request if rpc.startswith("metadata") else request.draft
                assert VALUE not in str(carried), (place, rpc)
                assert (
                    rpc.startswith("metadata")
                    or VALUE.encode() in request.value
                    or not (request.value)
                )

    assert VALUE not in caplog.text
    assert dict(seen)["the value"] in {200, 201}
    assert dict(seen)["a list as the value"] == 400


POINTER = "/metadata/annotations/" + LAST.replace("/", "~1")


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "add", "path": POINTER, "value": with_spec(value=VALUE)}],
        [{"op": "replace", "path": POINTER, "value": with_spec(value=VALUE)}],
        [{"op": "replace", "path": "/metadata/annotations", "value": {LAST: VALUE}}],
        [
            {"op": "add", "path": POINTER, "value": with_spec(value=VALUE)},
            {"op": "copy", "from": POINTER, "path": "/metadata/annotations/mine"},
        ],
        [
            {"op": "add", "path": POINTER, "value": with_spec(value=VALUE)},
            {"op": "move", "from": POINTER, "path": "/spec/description"},
        ],
        [
            {"op": "add", "path": "/x", "value": {LAST: with_spec(value=VALUE)}},
            {"op": "move", "from": "/x", "path": "/metadata/annotations"},
            {"op": "copy", "from": "/metadata/annotations", "path": "/metadata/labels"},
        ],
        [
            {"op": "add", "path": POINTER, "value": with_spec(value=VALUE)},
            {"op": "test", "path": POINTER, "value": with_spec(value=VALUE)},
        ],
    ],
)
async def test_no_operation_of_a_patch_carries_it_on_from_what_kubectl_applied_last(
    gateway: Gateway, operations: list[dict[str, Any]]
) -> None:
    applied = {LAST: json.dumps(CLEAN)}
    draft = SecureValueDraft(
        namespace="default", name="pg-main", description="d", annotations=applied
    )
    gateway.store.put(draft, version=1)

    async with gateway.http() as http:
        answer = await http.patch(
            ONE,
            content=json.dumps(operations),
            headers={"Content-Type": "application/json-patch+json"},
        )

    assert VALUE not in answer.text
    assert VALUE not in str(gateway.store.calls)


async def test_what_kubectl_applied_last_is_kept_without_it(gateway: Gateway) -> None:
    body = {
        "metadata": {"name": "a", "annotations": {LAST: with_spec(value=VALUE)}},
        "spec": {"description": "d", "value": VALUE},
    }

    async with gateway.http() as http:
        answer = await http.post(VALUES, json=body)
        read = await http.get(f"{VALUES}/a")

    assert answer.status_code == 201
    assert json.loads(read.json()["metadata"]["annotations"][LAST]) == CLEAN


async def test_the_search_would_find_it(gateway: Gateway) -> None:
    """A description is not hidden: the same look at the answer and the messages finds it."""
    async with gateway.http() as http:
        body = {"metadata": {"name": "a"}, "spec": {"description": VALUE, "value": "v"}}
        answer = await http.post(VALUES, json=body)

    assert VALUE in answer.text
    assert VALUE in str(gateway.store.calls[0][1].draft)
