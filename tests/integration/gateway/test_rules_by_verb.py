"""What the services find wrong reaches the client whole, by every verb that writes."""

import json
from typing import Any

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    KnownError,
    PermissionDeniedError,
    Rule,
)
from protos.splitkeep.metadata.v1.keepers_pb2 import KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.integration.gateway.conftest import KEEPERS, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "the-value-itself-8a41"

# Field path, kind of rule, and the cause that the client is told. What breaks the rules
# themselves is in tests/e2e/rules.py.
SECURE_VALUE_RULES = [
    ("metadata.name", Rule.INVALID, "FieldValueInvalid"),
    ("metadata.generateName", Rule.INVALID, "FieldValueInvalid"),
    ("metadata.labels", Rule.TOO_MANY, "FieldValueTooMany"),
    ("metadata.labels", Rule.INVALID, "FieldValueInvalid"),
    ("metadata.annotations", Rule.FORBIDDEN, "FieldValueForbidden"),
    ("metadata.ownerReferences", Rule.TOO_MANY, "FieldValueTooMany"),
    ("spec", Rule.REQUIRED, "FieldValueRequired"),
    ("spec", Rule.FORBIDDEN, "FieldValueForbidden"),
    ("spec.description", Rule.REQUIRED, "FieldValueRequired"),
    ("spec.description", Rule.TOO_LONG, "FieldValueTooLong"),
    ("spec.value", Rule.TOO_LONG, "FieldValueTooLong"),
    ("spec.ref", Rule.FORBIDDEN, "FieldValueForbidden"),
    ("spec.decrypters", Rule.TOO_MANY, "FieldValueTooMany"),
    ("spec.decrypters.[1]", Rule.INVALID, "FieldValueInvalid"),
    ("spec.decrypters.[1]", Rule.DUPLICATE, "FieldValueDuplicate"),
]
KEEPER_RULES = [
    ("metadata.name", Rule.INVALID, "FieldValueInvalid"),
    ("name", Rule.FORBIDDEN, "FieldValueForbidden"),
    ("spec", Rule.REQUIRED, "FieldValueRequired"),
    ("spec", Rule.INVALID, "FieldValueInvalid"),
    ("spec.azure", Rule.FORBIDDEN, "FieldValueForbidden"),
    ("spec.description", Rule.REQUIRED, "FieldValueRequired"),
    ("spec.aws", Rule.REQUIRED, "FieldValueRequired"),
    ("spec.aws.region", Rule.REQUIRED, "FieldValueRequired"),
    ("spec.aws.assumeRole.assumeRoleArn", Rule.REQUIRED, "FieldValueRequired"),
    ("spec.aws.assumeRole.externalID", Rule.REQUIRED, "FieldValueRequired"),
]
RULES = {"SecureValue": SECURE_VALUE_RULES, "Keeper": KEEPER_RULES}

VERBS: dict[str, tuple[str, str, str]] = {
    "create": ("POST", "application/json", ""),
    "create by YAML": ("POST", "application/yaml", ""),
    "replace": ("PUT", "application/json", ""),
    "JSON patch": ("PATCH", "application/json-patch+json", ""),
    "merge patch": ("PATCH", "application/merge-patch+json", ""),
    "apply": ("PATCH", "application/apply-patch+yaml", "?fieldManager=m&force=true"),
    "apply that creates": ("PATCH", "application/apply-patch+yaml", "?fieldManager=m"),
}
WRITES = [
    *("vault.Create", "vault.Update", "metadata.Update"),
    *("keepers.Create", "keepers.Update"),
]


async def written(gateway: Gateway, kind: str, verb: str, failure: KnownError) -> Any:
    """The answer to a write that the service behind it refuses."""
    method, content_type, query = VERBS[verb]
    spec: dict[str, Any] = {"description": "n", "value": VALUE}
    body: Any = {
        "apiVersion": "secret.grafana.app/v1beta1",
        "kind": kind,
        "metadata": {"name": "one"},
        "spec": spec if kind == "SecureValue" else {},
    }
    if "that creates" not in verb and method != "POST":
        gateway.store.put(SecureValueDraft(namespace="default", name="one"), version=1)
        gateway.store.put_keeper(KeeperDraft(namespace="default", name="one"))
    if verb == "JSON patch":
        body = [{"op": "add", "path": "/spec", "value": body["spec"]}]
    gateway.store.failing_rpcs = dict.fromkeys(WRITES, failure)
    path = VALUES if kind == "SecureValue" else KEEPERS
    path += "" if method == "POST" else "/one"
    async with gateway.http() as http:
        return await http.request(
            method,
            path + query,
            content=json.dumps(body),
            headers={"Content-Type": content_type},
        )


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", RULES)
async def test_every_broken_rule_is_told_by_code_reason_cause_and_field(
    gateway: Gateway, verb: str, kind: str
) -> None:
    violations = tuple(
        FieldViolation(path, rule, f"rule {number} in words")
        for number, (path, rule, _) in enumerate(RULES[kind])
    )

    answer = await written(gateway, kind, verb, InvalidArgumentError(violations=violations))

    body = answer.json()
    causes = body["details"]["causes"]
    assert (answer.status_code, body["code"], body["reason"]) == (422, 422, "Invalid")
    assert (body["kind"], body["apiVersion"], body["status"]) == ("Status", "v1", "Failure")
    assert [(cause["field"], cause["reason"]) for cause in causes] == [
        (path, reason) for path, _, reason in RULES[kind]
    ]
    for number, cause in enumerate(causes):
        assert cause["message"].endswith(f": rule {number} in words")
    assert (body["details"]["kind"], body["details"]["name"]) == (kind, "one")
    assert body["message"].startswith(f'{kind}.secret.grafana.app "one" is invalid: [')
    assert VALUE not in answer.text


REFUSALS: list[tuple[KnownError, int, str]] = [
    (PermissionDeniedError(), 403, "Forbidden"),
    (FailedPreconditionError(), 409, "Conflict"),
    (ConflictError(), 409, "Conflict"),
    (AlreadyExistsError(), 409, "AlreadyExists"),
    (InvalidArgumentError("the key was used for another request"), 400, "BadRequest"),
]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", RULES)
async def test_other_refusals_keep_their_code_and_reason(
    gateway: Gateway, verb: str, kind: str
) -> None:
    answers = [await written(gateway, kind, verb, failure) for failure, _, _ in REFUSALS]

    assert [(answer.status_code, answer.json()["reason"]) for answer in answers] == [
        (code, reason) for _, code, reason in REFUSALS
    ]
    assert VALUE not in "".join(answer.text for answer in answers)
