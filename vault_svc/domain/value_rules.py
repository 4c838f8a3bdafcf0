"""The rules of a value, and of what may stand beside it.

The rules of all the rest are metadata's.
"""

from collections.abc import Iterator

from chassis.errors import FieldViolation, Rule
from chassis.sensitive import Sensitive
from vault_svc.domain.draft import Draft, Operation

MAXIMUM_VALUE_BYTES = 24_576


def value_violations(
    operation: Operation, draft: Draft, value: Sensitive[bytes]
) -> Iterator[FieldViolation]:
    """Every rule that the value breaks; one that was not given is empty."""
    size_bytes = len(value.reveal())
    if size_bytes and draft.ref:
        yield FieldViolation("spec", Rule.FORBIDDEN, "value and ref must not both be given")
    if not size_bytes and operation is Operation.UPDATE:
        message = "value must not be empty; leave it out to keep the present one"
        yield FieldViolation("spec", Rule.REQUIRED, message)
    elif not size_bytes and not draft.ref:
        yield FieldViolation("spec", Rule.REQUIRED, "value or ref is required")
    if size_bytes > MAXIMUM_VALUE_BYTES:
        message = f"must have at most {MAXIMUM_VALUE_BYTES} bytes"
        yield FieldViolation("spec.value", Rule.TOO_LONG, message)


def third_party_keeper() -> FieldViolation:
    """The value would have to be kept elsewhere than in the vault."""
    message = "values cannot be written through a third-party keeper yet"
    return FieldViolation("spec", Rule.FORBIDDEN, message)
