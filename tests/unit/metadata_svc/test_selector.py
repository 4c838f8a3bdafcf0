"""The rules of selectors, and what they select."""

from typing import Any

import pytest

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.selector import (
    MAX_REQUIREMENTS,
    MAX_VALUES,
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    Selectable,
    SelectedField,
    Selector,
    label_number,
    matches,
    require_valid_selector,
)
from metadata_svc.grpc_api.selections import selector_from_proto
from metadata_svc.use_cases.kinds import FIELDS
from protos.splitkeep.metadata.v1 import selector_pb2
from tests.contracts.metadata_svc.pages import SELECTED, SHELF, parsed

EVERY_FIELD = frozenset(SelectedField)
NUMBER = "< and > need one whole number of at most 64 bits"
VALUES = "in and notin need at least one value"
KEY = "a key must be a name of 1 to 63 characters, after a domain and '/' if any"
FEW = f"must have at most {MAX_REQUIREMENTS} requirements"


def asked(key: str, operator: str, *values: str) -> Selector:
    return Selector((LabelRequirement(key, LabelOperator(operator), values),))


def violations(
    selector: Selector, allowed: frozenset[SelectedField] = EVERY_FIELD
) -> list[FieldViolation]:
    with pytest.raises(InvalidArgumentError) as error:
        require_valid_selector(selector, allowed)
    return list(error.value.violations)


@pytest.mark.parametrize(("text", "expected"), SELECTED.items(), ids=SELECTED)
def test_the_rules_select_what_the_pages_have(text: str, expected: str) -> None:
    selected = [
        name
        for name, row in sorted(SHELF.items())
        if matches(parsed(text), Selectable(**{"name": name, "keeper": "system"} | row))
    ]

    assert selected == expected.split()


@pytest.mark.parametrize(
    ("selector", "rule", "message"),
    [
        pytest.param(asked("", "exists"), Rule.INVALID, KEY, id="no key"),
        pytest.param(asked("a/b/c", "exists"), Rule.INVALID, KEY, id="two slashes"),
        pytest.param(asked("k" * 64, "exists"), Rule.INVALID, KEY, id="a long key"),
        pytest.param(asked("a\x00", "exists"), Rule.INVALID, KEY, id="NUL in a key"),
        pytest.param(asked("a", "in"), Rule.INVALID, VALUES, id="in of nothing"),
        pytest.param(asked("a", "notin"), Rule.INVALID, VALUES, id="notin of nothing"),
        pytest.param(
            asked("a", "in", "x", "-"),
            Rule.INVALID,
            "a value must be empty or such as a label may have",
            id="a value that no label has",
        ),
        pytest.param(
            asked("a", "in", *map(str, range(MAX_VALUES + 1))),
            Rule.TOO_MANY,
            f"a requirement must have at most {MAX_VALUES} values",
            id="many values",
        ),
        pytest.param(
            asked("a", "exists", "x"),
            Rule.INVALID,
            "a requirement that a label exists or not has no value",
            id="exists with a value",
        ),
        pytest.param(
            asked("a", "!", "x"),
            Rule.INVALID,
            "a requirement that a label exists or not has no value",
            id="does not exist with a value",
        ),
        pytest.param(asked("a", ">"), Rule.INVALID, NUMBER, id="beyond nothing"),
        pytest.param(asked("a", ">", "1", "2"), Rule.INVALID, NUMBER, id="beyond two"),
        pytest.param(asked("a", "<", "x"), Rule.INVALID, NUMBER, id="beyond a word"),
        pytest.param(asked("a", "<", "-1"), Rule.INVALID, NUMBER, id="below zero"),
        pytest.param(asked("a", ">", str(2**63)), Rule.INVALID, NUMBER, id="65 bits"),
        pytest.param(asked("a", ">", "٣"), Rule.INVALID, NUMBER, id="another digit"),
        pytest.param(
            Selector((LabelRequirement("a", LabelOperator.EXISTS),) * 33),
            Rule.TOO_MANY,
            FEW,
            id="many requirements",
        ),
    ],
)
def test_a_label_requirement_that_cannot_be_is_refused(
    selector: Selector, rule: Rule, message: str
) -> None:
    assert violations(selector) == [FieldViolation("labelSelector", rule, message)]


@pytest.mark.parametrize(
    ("requirements", "rule"),
    [
        pytest.param([("metadata.name", "x" * 254)], Rule.INVALID, id="a long value"),
        pytest.param([("spec.decrypter", "\x00")], Rule.INVALID, id="NUL"),
        pytest.param([("status.keeper", "\ud800")], Rule.INVALID, id="half a surrogate"),
        pytest.param([("metadata.name", "x")] * 33, Rule.TOO_MANY, id="many"),
    ],
)
def test_a_field_requirement_that_cannot_be_is_refused(
    requirements: list[tuple[str, str]], rule: Rule
) -> None:
    selector = Selector(
        fields=tuple(FieldRequirement(SelectedField(f), v) for f, v in requirements)
    )

    assert [(v.field, v.rule) for v in violations(selector)] == [("fieldSelector", rule)]


def test_every_violation_is_told() -> None:
    selector = Selector(
        (*asked("", "exists").labels, *asked("a", "in").labels),
        (FieldRequirement(SelectedField.NAME, "\x00"),),
    )

    found = violations(selector)
    assert [v.field for v in found] == ["labelSelector", "labelSelector", "fieldSelector"]


@pytest.mark.parametrize("field", SelectedField)
def test_a_kind_is_asked_for_its_own_fields_only(field: SelectedField) -> None:
    selector = Selector(fields=(FieldRequirement(field, "x"),))
    for allowed in FIELDS.values():
        if field in allowed:
            require_valid_selector(selector, allowed)
        else:
            (violation,) = violations(selector, allowed)
            assert violation == FieldViolation(
                "fieldSelector", Rule.INVALID, "may ask for metadata.name"
            )


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param(asked("example.com/team", "exists"), id="a key with a domain"),
        pytest.param(asked("team", "in", ""), id="an empty value"),
        pytest.param(asked("team", ">", str(2**63 - 1)), id="64 bits"),
        pytest.param(asked("a", "in", *map(str, range(MAX_VALUES))), id="as many values"),
        pytest.param(Selector(asked("a", "exists").labels * 32), id="as many labels"),
        pytest.param(
            Selector(fields=(FieldRequirement(SelectedField.DECRYPTER, ""),)), id="nobody"
        ),
    ],
)
def test_what_kubernetes_takes_is_taken(selector: Selector) -> None:
    require_valid_selector(selector, EVERY_FIELD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("0", 0), ("007", 7), ("9223372036854775807", 2**63 - 1)),
        *(("9223372036854775808", None), ("", None), ("-1", None), ("1.0", None)),
        *(("1e3", None), ("٣", None), ("²", None), (" 1", None), ("0" * 63, 0)),
    ],
)
def test_a_label_is_a_number_of_64_bits_or_none(text: str, expected: int | None) -> None:
    assert label_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), ("name=a,name!=b", True), ("name=a,team", False), ("decrypter!=a", False)],
)
def test_a_selector_may_tell_nothing_but_names(
    text: str,
    expected: bool,  # noqa: FBT001  # a row of the table
) -> None:
    assert parsed(text).tells_only_names is expected


def test_a_selector_crosses_whole() -> None:
    pb: Any = selector_pb2
    operators = [
        (pb.LABEL_OPERATOR_IN, LabelOperator.IN),
        (pb.LABEL_OPERATOR_NOT_IN, LabelOperator.NOT_IN),
        (pb.LABEL_OPERATOR_EXISTS, LabelOperator.EXISTS),
        (pb.LABEL_OPERATOR_DOES_NOT_EXIST, LabelOperator.DOES_NOT_EXIST),
        (pb.LABEL_OPERATOR_GREATER_THAN, LabelOperator.GREATER_THAN),
        (pb.LABEL_OPERATOR_LESS_THAN, LabelOperator.LESS_THAN),
    ]
    fields = [
        (pb.SELECTED_FIELD_NAME, SelectedField.NAME),
        (pb.SELECTED_FIELD_DECRYPTER, SelectedField.DECRYPTER),
        (pb.SELECTED_FIELD_KEEPER, SelectedField.KEEPER),
    ]
    sent = pb.Selector(
        labels=[
            pb.LabelRequirement(key="k", operator=o, values=["a", "b"]) for o, _ in operators
        ],
        fields=[pb.FieldRequirement(field=f, value="v", negated=True) for f, _ in fields],
    )

    assert selector_from_proto(sent) == Selector(
        tuple(LabelRequirement("k", operator, ("a", "b")) for _, operator in operators),
        tuple(FieldRequirement(field, "v", negated=True) for _, field in fields),
    )


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"labels": [{"key": "a"}]}, "labelSelector"),
        ({"labels": [{"key": "a", "operator": 99}]}, "labelSelector"),
        ({"fields": [{"value": "a"}]}, "fieldSelector"),
        ({"fields": [{"field": 99}]}, "fieldSelector"),
    ],
)
def test_what_is_not_known_is_refused(sent: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        selector_from_proto(selector_pb2.Selector(**sent))
    assert [v.field for v in error.value.violations] == [path]
