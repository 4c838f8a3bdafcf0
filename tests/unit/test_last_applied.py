"""What kubectl applied last: the three services keep the same of it, and never a value."""

import json
from typing import Any

import pytest

from gateway.representation import last_applied as gateway
from gateway.schema import kinds
from gateway.schema.types import Schema, Struct, Text
from metadata_svc.domain import last_applied as metadata
from vault_svc.domain import last_applied as vault

SERVICES = (gateway, metadata, vault)
KEY = gateway.LAST_APPLIED
VALUE = "the-canary-itself-7d20"
CLEAN: dict[str, Any] = {
    "apiVersion": "secret.grafana.app/v1beta1",
    "kind": "SecureValue",
    "metadata": {"annotations": {}, "labels": {"a": "1"}, "name": "n", "namespace": "default"},
    "spec": {"decrypters": ["k6"], "description": "d"},
}


def with_spec(**members: Any) -> str:
    return json.dumps(CLEAN | {"spec": CLEAN["spec"] | members})


HIDING_PLACES = {
    "the value": with_spec(value=VALUE),
    "a value that is no text": with_spec(value={"a": [VALUE]}),
    "another case": with_spec(Value=VALUE, VALUE=VALUE),
    "an escaped name": with_spec(value=VALUE).replace('"value"', '"v\\u0061lue"'),
    "an unknown field": with_spec(data={"value": VALUE}),
    "a status": json.dumps(CLEAN | {"status": {"externalID": VALUE}}),
    "outside of the spec": json.dumps(CLEAN | {"value": VALUE}),
    "a name of a field": with_spec(**{VALUE: None}),
    "a number beside": with_spec(value=1234567890123, x=VALUE),
    "a value given twice": json.dumps(CLEAN).replace(
        '"spec": {', f'"spec": {{"value": "{VALUE}", "value": "x", '
    ),
    "a spec given twice": json.dumps(CLEAN)[:-1] + f', "spec": {{"value": "{VALUE}"}}}}',
    "an annotation within": json.dumps(
        CLEAN | {"metadata": {"annotations": {KEY: with_spec(value=VALUE)}}}
    ),
    "a List": json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [json.loads(with_spec(value=VALUE))]}
    ),
    "another kind": with_spec(value=VALUE).replace("SecureValue", "Secret"),
    "a list": json.dumps([VALUE]),
    "a text": json.dumps(VALUE),
    "no JSON": VALUE,
    "YAML": f"kind: SecureValue\nspec:\n  value: {VALUE}\n",
    "a comment": with_spec(value=VALUE) + f" // {VALUE}",
    "a wrong type": with_spec(description={"value": VALUE}),
    "one wrong type in a list": with_spec(decrypters=["a", {"value": VALUE}]),
    "deep": with_spec(value=VALUE)[:-1] + ', "x": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "huge": with_spec(value=VALUE, x="x" * 400_000),
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("place", HIDING_PLACES)
def test_no_value_is_kept(service: Any, place: str) -> None:
    kept = service.without_value({KEY: HIDING_PLACES[place], "other": "1"})

    assert VALUE not in str(kept)
    assert kept["other"] == "1"
    if KEY in kept:
        assert json.loads(kept[KEY])["metadata"]["annotations"] == {}


@pytest.mark.parametrize("service", SERVICES)
def test_what_has_no_value_stays_byte_for_byte(service: Any) -> None:
    given = {KEY: json.dumps(CLEAN, separators=(",", ":")) + "\n"}

    assert service.without_value(given) == given
    assert service.without_value({"other": "1"}) == {"other": "1"}


def test_the_services_keep_the_same() -> None:
    assert metadata.LAST_APPLIED_SHAPE == gateway.LAST_APPLIED_SHAPE
    assert vault.LAST_APPLIED_SHAPE == gateway.LAST_APPLIED_SHAPE
    assert metadata.LAST_APPLIED == vault.LAST_APPLIED == KEY


@pytest.mark.parametrize("kind", [kinds.SECURE_VALUE, kinds.KEEPER])
def test_every_field_of_a_spec_is_kept_that_can_be_read(kind: Struct) -> None:
    spec = gateway.LAST_APPLIED_SHAPE.shapes["spec"]

    for path in paths(kind.fields["spec"]):
        node: Any = spec
        for name in path:
            node = node.shapes[name]


def paths(schema: Schema) -> list[tuple[str, ...]]:
    if not isinstance(schema, Struct):
        return [()]
    readable = {
        name: inner
        for name, inner in schema.fields.items()
        if not (isinstance(inner, Text) and inner.write_only)
    }
    return [(name, *rest) for name, inner in readable.items() for rest in paths(inner)]
