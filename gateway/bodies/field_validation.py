"""Fields that an object does not have, or has twice: refused, warned of, or ignored.

The words and the query parameter are Kubernetes' (API concepts, "Field validation"). Whatever
is chosen, an unknown field goes no further and of a repeated one the last stands.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.bodies.field_paths import shown_path
from gateway.bodies.request_tree import member_path
from gateway.errors import BadRequestError
from gateway.queries.query import Query
from gateway.schema.types import Anything, ListOf, MapOf, Schema, Struct

MAX_TOLD = 20
"""Problems told of one request: as headers they stay far below what clients read."""


class FieldValidation(StrEnum):
    """What becomes of a request with such fields."""

    STRICT = "Strict"
    WARN = "Warn"
    IGNORE = "Ignore"


def field_validation_from(query: Query) -> FieldValidation:
    """Warn, where nothing is asked. Raises BadRequestError, InvalidArgumentError."""
    text = query.text("fieldValidation") or FieldValidation.WARN
    try:
        return FieldValidation(text)
    except ValueError:
        message = 'must be "Strict", "Warn" or "Ignore"'
    violation = FieldViolation("fieldValidation", Rule.INVALID, message)
    raise InvalidArgumentError(violations=(violation,))


def problems_in(tree: object, schema: Schema, repeated: Sequence[str]) -> tuple[str, ...]:
    """The unknown fields of `tree`, then the repeated ones, as sentences for people."""
    unknown = (f'unknown field "{shown_path(path)}"' for path in _unknown(tree, schema, ""))
    twice = (f'duplicate field "{shown_path(path)}"' for path in repeated)
    return (*islice(unknown, MAX_TOLD), *islice(twice, MAX_TOLD))


def warnings_of(problems: Sequence[str], validation: FieldValidation) -> tuple[str, ...]:
    """The values of the answer's `Warning` headers (RFC 9111 §5.5, code 299).

    Raises BadRequestError: strictness was asked for, and there are problems.
    """
    told = tuple(problems[:MAX_TOLD])
    if validation is FieldValidation.STRICT and told:
        raise BadRequestError(f"strict decoding error: {', '.join(told)}")
    if validation is FieldValidation.IGNORE:
        return ()
    return tuple(f'299 - "{_quotable(problem)}"' for problem in told)


def _quotable(text: str) -> str:
    """Inside a quoted-string (RFC 9110 §5.6.4)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _unknown(value: object, schema: Schema, path: str) -> Iterator[str]:
    """The paths that the schema has not, in the order sent; nothing below them.

    Recursion is bounded by the schema's own depth: what stands where the schema knows of no
    fields is not looked at. A wrong type is another rule's.
    """
    match schema:
        case Struct() | MapOf() if isinstance(value, dict):
            for name, inner in value.items():
                below = _member(schema, name)
                if below is None:
                    yield member_path(path, name)
                else:
                    yield from _unknown(inner, below, member_path(path, name))
        case ListOf() if isinstance(value, list):
            for index, inner in enumerate(value):
                yield from _unknown(inner, schema.items, f"{path}[{index}]")


_FREE = Anything()


def _member(schema: Struct | MapOf, name: str) -> Schema | None:
    """What the member is; None when there is no such."""
    match schema:
        case Struct() if name in schema.fields:
            return schema.fields[name]
        case Struct():
            return _FREE if schema.knows(name) else None
        case MapOf():
            return schema.values
