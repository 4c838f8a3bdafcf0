"""Which objects a selector means (protos/…/selector.proto)."""

import math
from collections.abc import Mapping
from typing import Any

from protos.splitkeep.metadata.v1.selector_pb2 import (
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    SelectedField,
    Selector,
)


def selects(selector: Selector, item: Any) -> bool:
    return all(_label(term, item.labels) for term in selector.labels) and all(
        _field(term, item) for term in selector.fields
    )


def _label(term: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(term.key)
    holds = {
        LabelOperator.LABEL_OPERATOR_IN: value in term.values,
        LabelOperator.LABEL_OPERATOR_NOT_IN: value not in term.values,
        LabelOperator.LABEL_OPERATOR_EXISTS: value is not None,
        LabelOperator.LABEL_OPERATOR_DOES_NOT_EXIST: value is None,
        LabelOperator.LABEL_OPERATOR_GREATER_THAN: _number(value) > _bound(term),
        LabelOperator.LABEL_OPERATOR_LESS_THAN: _number(value) < _bound(term),
    }
    return holds[term.operator]


def _number(value: str | None) -> float:
    """What is no number is beyond no bound."""
    return int(value) if value and value.isdigit() else math.nan


def _bound(term: LabelRequirement) -> float:
    return _number(term.values[0] if term.values else None)


def _field(term: FieldRequirement, item: Any) -> bool:
    match term.field:
        case SelectedField.SELECTED_FIELD_NAME:
            holds = item.name == term.value
        case SelectedField.SELECTED_FIELD_DECRYPTER:
            holds = term.value in item.decrypters
        case SelectedField.SELECTED_FIELD_KEEPER:
            holds = item.keeper == term.value
        case _:
            raise AssertionError("a field that metadata refuses")
    return holds is not term.negated
