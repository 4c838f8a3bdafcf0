"""A selector as the parameters of the page statements, and what may lead a page.

A page reads rows in the order of names. What leads it is an index that has the names of one
requirement in that order; every other requirement is checked on each row that it names.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from metadata_svc.domain.access import Scope
from metadata_svc.domain.selector import (
    MAX_LABEL_NUMBER,
    NUMERIC,
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    SelectedField,
    Selector,
)

# Of so many values of a label the names are merged; with more, the label leads with any value.
MERGED_VALUES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """One requirement whose names an index has in order; what is not asked for is None.

    A label leads with `values`, each of which has a place of its own in the index; or with any
    value, of which those outside `one_of` or the range are passed over.
    """

    label: str | None = None
    values: tuple[str, ...] = ()
    one_of: tuple[str, ...] | None = None
    at_least: int | None = None
    at_most: int | None = None
    decrypter: str | None = None
    keeper: str | None = None

    @property
    def with_any_value(self) -> str | None:
        """The label, if its names are passed whatever its value."""
        return None if self.values else self.label

    @property
    def parts(self) -> tuple["Leader", ...]:
        """One leader for each value."""
        if not self.values:
            return (self,)
        return tuple(Leader(label=self.label, values=(value,)) for value in self.values)


def leaders(selector: Selector) -> tuple[Leader, ...]:
    """What could lead, those first that are likely to name fewest."""
    fields = [_field_leader(r) for r in selector.fields if not r.negated]
    labels = [_label_leader(r) for r in selector.labels]
    found = [leader for leader in (*fields, *labels) if leader is not None]
    return tuple(sorted(found, key=lambda leader: leader.with_any_value is not None))


def _field_leader(requirement: FieldRequirement) -> Leader | None:
    match requirement.field:
        case SelectedField.DECRYPTER:
            return Leader(decrypter=requirement.value)
        case SelectedField.KEEPER:
            return Leader(keeper=requirement.value)
        case _:
            return None


def _label_leader(requirement: LabelRequirement) -> Leader | None:
    key, values = requirement.key, tuple(sorted(set(requirement.values)))
    match requirement.operator:
        case LabelOperator.NOT_IN | LabelOperator.DOES_NOT_EXIST:
            return None
        case LabelOperator.EXISTS:
            return Leader(label=key)
        case LabelOperator.IN:
            merged = len(values) <= MERGED_VALUES
            return (
                Leader(label=key, values=values) if merged else Leader(label=key, one_of=values)
            )
        case LabelOperator.GREATER_THAN:
            return Leader(label=key, at_least=int(values[0]) + 1, at_most=MAX_LABEL_NUMBER)
        case LabelOperator.LESS_THAN:
            return Leader(label=key, at_least=0, at_most=int(values[0]) - 1)


def names_selected(selector: Selector, scope: Scope) -> list[str] | None:
    """The only names that can be on the page, in order; None when any can."""
    wanted = [
        frozenset({r.value})
        for r in selector.fields
        if r.field is SelectedField.NAME and not r.negated
    ]
    if not scope.everything:
        wanted.append(scope.names)
    return sorted(frozenset.intersection(*wanted)) if wanted else None


def label_parameters(selector: Selector) -> tuple[str, str | None]:
    """The labels that a row must contain, and all other requirements of labels, if any."""
    equal: dict[str, str] = {}
    others: list[dict[str, object]] = []
    for requirement in selector.labels:
        one = len(set(requirement.values)) == 1 and requirement.operator is LabelOperator.IN
        if one and requirement.key not in equal:
            equal[requirement.key] = requirement.values[0]
        else:
            others.append(_requirement_row(requirement))
    return json.dumps(equal), json.dumps(others) if others else None


def _requirement_row(requirement: LabelRequirement) -> dict[str, object]:
    key, values = requirement.key, list(requirement.values)
    if requirement.operator in NUMERIC:
        above = requirement.operator is LabelOperator.GREATER_THAN
        return {"key": key, "above" if above else "below": int(values[0])}
    match requirement.operator:
        case LabelOperator.IN:
            return {"key": key, "one_of": values}
        case LabelOperator.NOT_IN:
            return {"key": key, "none_of": values}
        case operator:
            return {"key": key, "present": operator is LabelOperator.EXISTS}


def field_parameters(selector: Selector) -> tuple[list[str], ...]:
    """Decrypters that must be there and that must not; the same of keepers; names not meant."""
    return (
        list(_values(selector, SelectedField.DECRYPTER, negated=False)),
        list(_values(selector, SelectedField.DECRYPTER, negated=True)),
        list(_values(selector, SelectedField.KEEPER, negated=False)),
        list(_values(selector, SelectedField.KEEPER, negated=True)),
        excluded_names(selector),
    )


def excluded_names(selector: Selector) -> list[str]:
    """The names that are not meant."""
    return list(_values(selector, SelectedField.NAME, negated=True))


def _values(selector: Selector, field: SelectedField, *, negated: bool) -> Iterator[str]:
    return (r.value for r in selector.fields if r.field is field and r.negated is negated)
