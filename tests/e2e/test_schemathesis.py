"""The API attacked from its own description, on a running stack, with an administrator's token.

Nothing fails on the server, every answer is one that the description names, in a form and a
shape that it names, and none repeats the value that was sent.
"""

import copy
import json
import zlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import jwt
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.openapi.documents import group_version_documents
from tests.e2e.stack import Stack

DOCUMENTS = group_version_documents()
SECRETS = "apis/secret.grafana.app/{}"
REVIEWS = "apis/authorization.k8s.io/v1"
EXISTING = "fuzzed"
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Case: TypeAlias = schemathesis.Case[Any]

FORMS = ("*/*", "application/json", "application/yaml")
SHORTEST_LOOKED_FOR = 12  # characters: a shorter value may stand in an answer by chance

BODIES: dict[str, Any] = {
    "securevalues": {"description": "fuzzed", "value": "a value that is fuzzed"},
    "keepers": {
        "description": "fuzzed",
        "aws": {
            "region": "eu-west-1",
            "assumeRole": {"assumeRoleArn": "arn:aws:iam::1:role/r", "externalID": "e"},
        },
    },
}
few = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


def by_example(name: str) -> schemathesis.BaseSchema:
    """The description, to be tried with examples and not at every boundary."""
    schema = schemathesis.openapi.from_dict(DOCUMENTS[name])
    schema.config.phases.coverage.enabled = False
    return schema


def without_yaml(name: str) -> dict[str, Any]:
    """The description, but for the second language that bodies of objects may have."""
    document: dict[str, Any] = copy.deepcopy(DOCUMENTS[name])
    for of_path in document["paths"].values():
        for operation in of_path.values():
            operation.get("requestBody", {}).get("content", {}).pop("application/yaml", None)
    return document


# Every boundary of the one schema is tried in one version and one language.
v1beta1 = schemathesis.openapi.from_dict(without_yaml(SECRETS.format("v1beta1")))
v1 = by_example(SECRETS.format("v1"))
reviews = by_example(REVIEWS)


class Attack:
    """Sends cases to one namespace, in which one object of each kind exists."""

    def __init__(self, stack: Stack, namespace: str) -> None:
        self._stack = stack
        self._namespace = namespace
        self._session = requests.Session()
        self._session.trust_env = False  # an authority from the environment would replace ours
        self._session.verify = stack.info["ca"]
        token = stack.info["tokens"]["admin"]
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        own = stack.mint(claims | {"namespace": namespace})
        self._session.headers["Authorization"] = f"Bearer {own}"
        base = f"{stack.info['gateway']}/apis/secret.grafana.app/v1beta1/namespaces/{namespace}"
        for plural, spec in BODIES.items():
            body = {"metadata": {"name": EXISTING}, "spec": spec}
            self._session.post(f"{base}/{plural}", json=body, timeout=30).raise_for_status()

    def close(self) -> None:
        self._session.close()

    def send(self, case: Case) -> None:
        # A watch would go on; tests of its own watch.
        case.query = {key: value for key, value in (case.query or {}).items() if key != "watch"}
        number = zlib.crc32(json.dumps(case.path_parameters, default=str).encode())
        if "namespace" in (case.path_parameters or {}):
            case.path_parameters["namespace"] = self._namespace
        if "name" in (case.path_parameters or {}) and number % 2:
            case.path_parameters["name"] = EXISTING
        answer = case.call(
            base_url=self._stack.info["gateway"],
            session=self._session,
            verify=self._stack.info["ca"],
            headers={"Accept": FORMS[number % len(FORMS)]},
            timeout=20,
        )
        server = [] if is_a_version_not_reached(answer) else [not_a_server_error]
        case.validate_response(answer, checks=[*server, *CHECKS])
        for value in values_in(case.body):
            assert value not in answer.text


def is_a_version_not_reached(answer: schemathesis.Response) -> bool:
    """Kubernetes' answer to a resourceVersion that is still to come is a 504."""
    return answer.status_code == 504 and "ResourceVersionTooLarge" in answer.text


def values_in(body: Any) -> Iterator[str]:
    spec = body.get("spec") if isinstance(body, dict) else None
    value = spec.get("value") if isinstance(spec, dict) else None
    if isinstance(value, str) and len(value) >= SHORTEST_LOOKED_FOR:
        yield value


@pytest.fixture(scope="module")
def attack(stack: Stack) -> Iterator[Attack]:
    made = Attack(stack, "fuzz-v1beta1")
    yield made
    made.close()


@pytest.fixture(scope="module")
def attack_of_v1(stack: Stack) -> Iterator[Attack]:
    made = Attack(stack, "fuzz-v1")
    yield made
    made.close()


def test_what_is_attacked_is_what_the_gateway_describes(stack: Stack) -> None:
    with stack.http() as http:
        served = {
            name: http.get(f"{stack.info['gateway']}/openapi/v3/{name}").json()
            for name in DOCUMENTS
        }

    assert served == DOCUMENTS


@v1beta1.parametrize()
@few
def test_v1beta1_answers_as_it_is_described(case: Case, attack: Attack) -> None:
    attack.send(case)


@v1.parametrize()
@few
def test_v1_answers_as_it_is_described(case: Case, attack_of_v1: Attack) -> None:
    attack_of_v1.send(case)


@reviews.parametrize()
@few
def test_reviews_are_answered_as_they_are_described(case: Case, attack: Attack) -> None:
    attack.send(case)
