"""Which resources of a namespace are meant: the rules of a selector, and what it selects.

- Every requirement must hold; without one, everything is selected.
- "Not with this value" also holds where there is no such label, as in Kubernetes
  (concepts/overview/working-with-objects/labels, "Label selectors").
- `matches` decides for watches and for whatever is not in a database; what Postgres selects is
  held equal to it by tests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.resource import Resource, ResourceT
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.text import is_label, is_qualified_name, is_storable

MAX_REQUIREMENTS = 32  # of labels, and again of fields
MAX_VALUES = 64  # of one requirement
MAX_FIELD_VALUE_LENGTH = 253  # the longest name; nothing else that a field holds is longer
MAX_LABEL_NUMBER = 2**63 - 1  # Kubernetes compares labels as 64-bit integers

LABEL_PATH, FIELD_PATH = "labelSelector", "fieldSelector"


class LabelOperator(StrEnum):
    """What a requirement asks of a label."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER_THAN = ">"
    LESS_THAN = "<"


NUMERIC = frozenset({LabelOperator.GREATER_THAN, LabelOperator.LESS_THAN})
_BY_VALUES = frozenset({LabelOperator.IN, LabelOperator.NOT_IN})


class SelectedField(StrEnum):
    """What a requirement may ask for beside labels."""

    NAME = "metadata.name"
    DECRYPTER = "spec.decrypter"
    KEEPER = "status.keeper"


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """What must be so with one label."""

    key: str
    operator: LabelOperator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """The field is the value; of decrypters, one is. Negated: it is not, or none is."""

    field: SelectedField
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements hold; none means everything."""

    labels: tuple[LabelRequirement, ...] = ()
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def tells_only_names(self) -> bool:
        """Whether whom it selects says nothing but which names there are."""
        return not self.labels and all(f.field is SelectedField.NAME for f in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectable:
    """What a selector looks at; a kind without decrypters and keeper leaves them empty."""

    name: str
    labels: Mapping[str, str]
    decrypters: tuple[str, ...] = field(default=())
    keeper: str = ""


def selectable(resource: Resource) -> Selectable:
    """As selectors look at it."""
    if isinstance(resource, SecureValue):
        return Selectable(
            name=resource.name,
            labels=resource.labels,
            decrypters=resource.decrypters,
            keeper=resource.keeper,
        )
    return Selectable(name=resource.name, labels=resource.labels)


def matches(selector: Selector, item: Selectable) -> bool:
    """Whether the selector selects it."""
    return all(_label_holds(r, item.labels.get(r.key)) for r in selector.labels) and all(
        _field_holds(r, item) for r in selector.fields
    )


def while_selected(resource: ResourceT | None, selector: Selector) -> ResourceT | None:
    """The resource, if there is one and it is selected."""
    if resource is None or not matches(selector, selectable(resource)):
        return None
    return resource


def label_number(value: str) -> int | None:
    """The label's value as a whole number of at most 64 bits, if it is one."""
    if not (value.isascii() and value.isdigit()):
        return None
    number = int(value)
    return number if number <= MAX_LABEL_NUMBER else None


def _label_holds(requirement: LabelRequirement, value: str | None) -> bool:
    match requirement.operator:
        case LabelOperator.IN:
            return value in requirement.values
        case LabelOperator.NOT_IN:
            return value not in requirement.values
        case LabelOperator.EXISTS:
            return value is not None
        case LabelOperator.DOES_NOT_EXIST:
            return value is None
        case _:
            return _number_holds(requirement, value)


def _number_holds(requirement: LabelRequirement, value: str | None) -> bool:
    number, bound = label_number(value or ""), label_number(requirement.values[0])
    if number is None or bound is None:
        return False
    above = requirement.operator is LabelOperator.GREATER_THAN
    return number > bound if above else number < bound


def _field_holds(requirement: FieldRequirement, item: Selectable) -> bool:
    present = {
        SelectedField.NAME: (item.name,),
        SelectedField.DECRYPTER: item.decrypters,
        SelectedField.KEEPER: (item.keeper,),
    }[requirement.field]
    return (requirement.value in present) is not requirement.negated


def require_valid_selector(selector: Selector, allowed: frozenset[SelectedField]) -> None:
    """Raise InvalidArgumentError with every rule that the selector breaks.

    `allowed` are the fields that the kind has.
    """
    found = tuple(selector_violations(selector, allowed))
    if found:
        raise InvalidArgumentError(violations=found)


def selector_violations(
    selector: Selector, allowed: frozenset[SelectedField]
) -> Iterator[FieldViolation]:
    """Every rule that the selector breaks; the texts of it are not quoted."""
    for path, requirements in ((LABEL_PATH, selector.labels), (FIELD_PATH, selector.fields)):
        if len(requirements) > MAX_REQUIREMENTS:
            message = f"must have at most {MAX_REQUIREMENTS} requirements"
            yield FieldViolation(path, Rule.TOO_MANY, message)
            return
    for label in selector.labels:
        yield from _label_violations(label)
    for requirement in selector.fields:
        yield from _field_violations(requirement, allowed)


def _label_violations(requirement: LabelRequirement) -> Iterator[FieldViolation]:
    if not is_qualified_name(requirement.key):
        message = "a key must be a name of 1 to 63 characters, after a domain and '/' if any"
        yield FieldViolation(LABEL_PATH, Rule.INVALID, message)
    if len(requirement.values) > MAX_VALUES:
        message = f"a requirement must have at most {MAX_VALUES} values"
        yield FieldViolation(LABEL_PATH, Rule.TOO_MANY, message)
    elif problem := _values_problem(requirement):
        yield FieldViolation(LABEL_PATH, Rule.INVALID, problem)


def _values_problem(requirement: LabelRequirement) -> str:
    values, operator = requirement.values, requirement.operator
    if operator in _BY_VALUES:
        if not values:
            return "in and notin need at least one value"
        plain = all(not value or is_label(value) for value in values)
        return "" if plain else "a value must be empty or such as a label may have"
    if operator in NUMERIC:
        one_number = len(values) == 1 and label_number(values[0]) is not None
        return "" if one_number else "< and > need one whole number of at most 64 bits"
    return "a requirement that a label exists or not has no value" if values else ""


def _field_violations(
    requirement: FieldRequirement, allowed: frozenset[SelectedField]
) -> Iterator[FieldViolation]:
    if requirement.field not in allowed:
        message = "may ask for " + ", ".join(sorted(field.value for field in allowed))
        yield FieldViolation(FIELD_PATH, Rule.INVALID, message)
    value = requirement.value
    if len(value) > MAX_FIELD_VALUE_LENGTH or not is_storable(value):
        message = f"a value must have at most {MAX_FIELD_VALUE_LENGTH} characters and no NUL"
        yield FieldViolation(FIELD_PATH, Rule.INVALID, message)
