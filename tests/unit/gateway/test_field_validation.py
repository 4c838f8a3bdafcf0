"""Unknown and repeated fields: which they are, and what becomes of the request."""

from typing import Any

import pytest

from chassis.errors import InvalidArgumentError, Rule
from gateway.bodies.field_paths import LONGEST_SHOWN
from gateway.bodies.field_validation import (
    MAX_TOLD,
    FieldValidation,
    field_validation_from,
    problems_in,
    warnings_of,
)
from gateway.errors import BadRequestError
from gateway.queries.query import query_from
from gateway.schema.kinds import KEEPER, SECURE_VALUE

WHOLE_META = {
    "name": "a", "generateName": "a", "namespace": "n", "selfLink": "", "uid": "u",
    "resourceVersion": "1", "generation": 1, "creationTimestamp": None,
    "deletionTimestamp": None, "deletionGracePeriodSeconds": 1, "finalizers": ["a"],
    "labels": {"any": "thing"}, "annotations": {"any.thing/at-all": "x"},
    "ownerReferences": [{"apiVersion": "a/v1", "kind": "K", "name": "n", "uid": "u",
                         "controller": True, "blockOwnerDeletion": True}],
    "managedFields": [{"manager": "m", "operation": "Apply", "apiVersion": "a", "time": "t",
                       "fieldsType": "FieldsV1", "fieldsV1": {"f:x": {"f:y": {}}},
                       "subresource": ""}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "rest"),
    [
        (
            SECURE_VALUE,
            {
                "spec": {"description": "d", "value": "v", "ref": "r", "decrypters": ["a"]},
                "status": {
                    "version": 0,
                    "keeper": "",
                    "externalID": "",
                    "operatorStates": {"any": {"state": "x"}},
                    "additionalFields": {"any": 1},
                },
            },
        ),
        (
            KEEPER,
            {
                "spec": {
                    "description": "d",
                    "aws": {
                        "region": "r",
                        "assumeRole": {"assumeRoleArn": "a", "externalID": "e"},
                    },
                    "azure": {"anything": 1},
                    "gcp": {},
                    "hashiCorpVault": {},
                },
                "status": {"active": True},
            },
        ),
    ],
)
def test_a_whole_object_has_no_unknown_field(schema: Any, rest: dict[str, Any]) -> None:
    whole = {"apiVersion": "a", "kind": "K", "metadata": WHOLE_META, **rest}

    assert problems_in(whole, schema, ()) == ()


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        ({"secure": 1}, "secure"),
        ({"spec": {"keeper": "aws"}}, "spec.keeper"),
        ({"spec": {"Description": "d"}}, "spec.Description"),
        ({"metadata": {"clusterName": ""}}, "metadata.clusterName"),
        ({"metadata": {"ownerReferences": [{}, {"x": 1}]}}, "metadata.ownerReferences[1].x"),
        ({"metadata": {"managedFields": [{"x": 1}]}}, "metadata.managedFields[0].x"),
        ({"status": {"active": True}}, "status.active"),
        ({"status": {"operatorStates": {"a": {"b": 1}}}}, "status.operatorStates.a.b"),
    ],
)
def test_an_unknown_field_is_told_by_its_path(tree: dict[str, Any], path: str) -> None:
    assert problems_in(tree, SECURE_VALUE, ()) == (f'unknown field "{path}"',)


def test_nothing_below_an_unknown_field_is_told() -> None:
    assert len(problems_in({"a": {"b": {"c": 1}}}, SECURE_VALUE, ())) == 1


def test_a_wrong_type_is_another_rules_affair() -> None:
    tree = {"spec": "text", "metadata": [{"a": 1}], "status": 5}

    assert problems_in(tree, SECURE_VALUE, ()) == ()


class NotLookedAt(dict[str, object]):
    """An object that must not be walked through."""

    def items(self) -> Any:
        raise AssertionError("looked at")


@pytest.mark.parametrize(
    "tree",
    [
        {"spec": {"description": NotLookedAt()}},
        {"spec": {"decrypters": [NotLookedAt()]}},
        {"metadata": {"labels": {"a": NotLookedAt()}}},
        {"metadata": {"managedFields": [{"fieldsV1": NotLookedAt()}]}},
        {"metadata": [NotLookedAt()]},
    ],
)
def test_what_stands_where_no_field_can_be_is_not_looked_at(tree: dict[str, Any]) -> None:
    assert problems_in(tree, SECURE_VALUE, ()) == ()


def test_strict_refuses_and_names_every_problem() -> None:
    problems = problems_in({"spec": {"foo": 1}}, SECURE_VALUE, ("spec.bar",))

    with pytest.raises(BadRequestError) as refused:
        warnings_of(problems, FieldValidation.STRICT)

    assert refused.value.message == (
        'strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"'
    )


def test_warn_makes_one_header_a_problem_and_ignore_none() -> None:
    problems = problems_in({"spec": {"foo": 1}}, SECURE_VALUE, ("spec.bar",))

    assert warnings_of(problems, FieldValidation.WARN) == (
        r'299 - "unknown field \"spec.foo\""',
        r'299 - "duplicate field \"spec.bar\""',
    )
    assert warnings_of(problems, FieldValidation.IGNORE) == ()


@pytest.mark.parametrize("validation", [FieldValidation.STRICT, FieldValidation.WARN])
def test_without_problems_there_is_nothing_to_tell(validation: FieldValidation) -> None:
    assert warnings_of((), validation) == ()


def test_headers_are_bounded_in_number_and_length() -> None:
    tree = {f"{'x' * 5_000}{number}": 1 for number in range(5_000)}
    repeated = tuple("y" * 5_000 for _ in range(5_000))

    warnings = warnings_of(problems_in(tree, SECURE_VALUE, repeated), FieldValidation.WARN)

    assert len(warnings) == MAX_TOLD
    assert max(map(len, warnings)) < LONGEST_SHOWN + 50


@pytest.mark.parametrize(
    "name", ['a"b', "a\\b", "a\r\nSet-Cookie: b", "ä", "\u2028", "\0", "\ud7ff"]
)
def test_a_header_cannot_be_broken_out_of(name: str) -> None:
    (warning,) = warnings_of(problems_in({name: 1}, SECURE_VALUE, ()), FieldValidation.WARN)

    inner = warning.removeprefix('299 - "unknown field \\"').removesuffix('\\""')
    assert warning.isascii()
    assert warning.isprintable()
    assert not set(inner) & {'"', "\\"}
    assert "?" in inner


def test_warn_is_what_is_done_unless_asked_otherwise() -> None:
    assert field_validation_from(query_from(b"")) is FieldValidation.WARN
    assert field_validation_from(query_from(b"fieldValidation=")) is FieldValidation.WARN
    assert field_validation_from(query_from(b"fieldValidation=Strict")) == "Strict"


def test_another_word_is_invalid() -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        field_validation_from(query_from(b"fieldValidation=strict"))

    (violation,) = refused.value.violations
    assert (violation.field, violation.rule) == ("fieldValidation", Rule.INVALID)
