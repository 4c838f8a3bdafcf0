"""The rules of a secure value's fields: every violation at once, under its REST path."""

from collections.abc import Iterator

from chassis.errors import FieldViolation, Rule
from metadata_svc.domain.labels import LABEL_RULE, LabelRules
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.resource_rules import (
    description_violations,
    metadata_violations,
    raise_if_any,
)
from metadata_svc.domain.secure_value import Draft
from metadata_svc.domain.text import is_label

MAX_DECRYPTERS = 64
_NO_REFERENCE = (
    "the system keeper keeps values only; a reference needs a third-party keeper, "
    "and none of them is supported yet"
)


def require_valid(draft: Draft, operation: Operation, labels: LabelRules) -> None:
    """Raise InvalidArgumentError with every violation of the draft, if there is one."""
    raise_if_any(violations(draft, operation, labels))


def violations(
    draft: Draft, operation: Operation, labels: LabelRules
) -> Iterator[FieldViolation]:
    """Every rule that the draft breaks, in the order of its fields."""
    yield from metadata_violations(draft, operation, labels)
    yield from description_violations(draft.description)
    if draft.ref:
        yield FieldViolation("spec.ref", Rule.FORBIDDEN, _NO_REFERENCE)
    yield from decrypter_violations(draft.decrypters)


def decrypter_violations(decrypters: tuple[str, ...]) -> Iterator[FieldViolation]:
    """Every rule that an allow-list breaks."""
    if len(decrypters) > MAX_DECRYPTERS:
        message = f"must have at most {MAX_DECRYPTERS} items"
        yield FieldViolation("spec.decrypters", Rule.TOO_MANY, message)
        return
    seen: set[str] = set()
    for index, decrypter in enumerate(decrypters):
        problem = _decrypter_problem(decrypter, seen)
        if problem:
            yield FieldViolation(f"spec.decrypters.[{index}]", Rule.INVALID, problem)
        seen.add(decrypter.strip())


def _decrypter_problem(decrypter: str, seen: set[str]) -> str:
    if not decrypter.strip():
        return "must not be blank"
    if not is_label(decrypter):
        return LABEL_RULE
    return "must not be given twice" if decrypter in seen else ""
