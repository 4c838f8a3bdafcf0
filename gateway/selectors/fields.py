r"""Field selectors: `field=value`, `==` or `!=`, joined by commas, of the few fields there are.

A comma, an equals sign or a backslash of a value is written with a backslash before it. Space
is part of a field or value, as in Kubernetes (apimachinery, fields.ParseSelector).
"""

import re
from dataclasses import dataclass

from gateway.errors import BadRequestError

MAX_CHARACTERS = 8_192
MAX_REQUIREMENTS = 32
LONGEST_VALUE = 253
"""As metadata bounds them."""

_TERM = re.compile(r"(?:[^\\,]|\\.?)+", re.DOTALL)
_PARTS = re.compile(r"([^=!]*)(!=|==|=)(.*)", re.DOTALL)
_VALUE = re.compile(r"(?:[^\\,=]|\\[\\,=])*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class FieldTerm:
    """One field is the value, or is not."""

    field: str
    value: str
    negated: bool


def field_terms(selector: str, *, supported: frozenset[str]) -> tuple[FieldTerm, ...]:
    """What the selector asks for, each once and in one order; nothing if it is empty.

    Raises BadRequestError: it is too long, cannot be read, or asks for a field that is not one
    of `supported`.
    """
    if len(selector) > MAX_CHARACTERS:
        raise _refused(f"must be at most {MAX_CHARACTERS} characters")
    terms = {_term(text, supported) for text in _TERM.findall(selector)}
    if len(terms) > MAX_REQUIREMENTS:
        raise _refused(f"must be at most {MAX_REQUIREMENTS} terms")
    return tuple(sorted(terms))


def _term(text: str, supported: frozenset[str]) -> FieldTerm:
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise _refused("must be terms such as metadata.name=NAME, joined by commas")
    field, sign, value = parts.groups()
    if field not in supported:
        raise _refused(f"supports only {', '.join(sorted(supported))}")
    if not _VALUE.fullmatch(value):
        raise _refused(
            "a value writes a comma, an equals sign or a backslash after a backslash"
        )
    plain = _ESCAPE.sub(r"\1", value)
    if len(plain) > LONGEST_VALUE or "\0" in plain:
        raise _refused(f"a value must be at most {LONGEST_VALUE} characters and no NUL")
    return FieldTerm(field=field, value=plain, negated=sign == "!=")


def _refused(rule: str) -> BadRequestError:
    return BadRequestError(f"fieldSelector: {rule}")
