"""The life of a secure value, through the published ports of the production stack."""

from uuid import uuid4

import pytest

from tests.e2e.compose.production import Production, a_secure_value
from tests.e2e.stack import a_canary

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def a_name() -> str:
    return f"value-{uuid4().hex[:12]}"


def test_a_created_value_is_described_but_never_shown(production: Production) -> None:
    name, value = a_name(), a_canary()

    created = production.create(name, value)

    got = production.request("GET", f"/{name}")
    listed = production.request("GET")
    assert (created.status, got.status, listed.status) == (201, 200, 200)
    assert name in {item["metadata"]["name"] for item in listed.body["items"]}
    assert value not in f"{created}{got}{listed}"


def test_one_call_answers_a_value_a_refusal_and_a_missing_name(production: Production) -> None:
    allowed, refused, value = a_name(), a_name(), a_canary()
    production.create(allowed, value)
    production.create(refused, a_canary(), decrypters=["another"])

    assert production.decrypt(allowed, refused, "missing") == {
        allowed: {"value": value},
        refused: {"error_message": "not authorized"},
        "missing": {"error_message": "not found"},
    }


def test_a_new_value_is_read_by_the_very_next_call(production: Production) -> None:
    name, value = a_name(), a_canary()
    production.create(name, a_canary())

    updated = production.request("PUT", f"/{name}", a_secure_value(name, value))

    assert updated.status == 200
    assert production.decrypt(name) == {name: {"value": value}}


def test_a_removed_decrypter_is_refused_by_the_very_next_call(production: Production) -> None:
    name = a_name()
    production.create(name, a_canary())

    edited = production.request("PUT", f"/{name}", a_secure_value(name, decrypters=["another"]))

    assert edited.status == 200
    assert production.decrypt(name) == {name: {"error_message": "not authorized"}}


def test_a_deleted_value_is_not_found_by_the_very_next_call(production: Production) -> None:
    name = a_name()
    production.create(name, a_canary())

    deleted = production.request("DELETE", f"/{name}")

    assert deleted.status == 200
    assert production.decrypt(name) == {name: {"error_message": "not found"}}
    assert production.request("GET", f"/{name}").status == 404
