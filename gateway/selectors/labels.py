"""Label selectors, in the whole grammar of Kubernetes.

    selector    = [ requirement *( "," requirement ) ]
    requirement = [ "!" ] key / key sign [ value ] / key ( "in" / "notin" ) "(" values ")"
    sign        = "=" / "==" / "!=" / ">" / "<"
    values      = [ value ] *( "," [ value ] )      ; but not "()"

- Space, tab, CR and LF may stand between any two tokens. "in" and "notin" are words of the
  grammar only where an operator may stand; elsewhere they are keys or values.
- A value that is left out is the empty one: `a=` asks for the label with an empty value.
- Read in one pass over the text, in time linear in its length.
Source: Kubernetes' concepts on labels and selectors, and what its apimachinery parser takes.
"""

import re

from gateway.errors import BadRequestError
from protos.splitkeep.metadata.v1.selector_pb2 import LabelOperator, LabelRequirement

MAX_CHARACTERS = 8_192
MAX_REQUIREMENTS = 32
MAX_VALUES = 64
"""As metadata bounds them."""

MAX_NUMBER = 2**63 - 1
LONGEST_PREFIX = 253

_TOKEN = re.compile(r"[ \t\r\n]+|==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+")
_SYMBOLS = frozenset({"==", "!=", "=", "!", "(", ")", ",", "<", ">"})
_END = ""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DOMAIN_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")

_OPERATORS = {
    "=": LabelOperator.LABEL_OPERATOR_IN,
    "==": LabelOperator.LABEL_OPERATOR_IN,
    "in": LabelOperator.LABEL_OPERATOR_IN,
    "!=": LabelOperator.LABEL_OPERATOR_NOT_IN,
    "notin": LabelOperator.LABEL_OPERATOR_NOT_IN,
    ">": LabelOperator.LABEL_OPERATOR_GREATER_THAN,
    "<": LabelOperator.LABEL_OPERATOR_LESS_THAN,
}
_NUMERIC = frozenset({">", "<"})


def label_requirements(selector: str) -> tuple[LabelRequirement, ...]:
    """What the selector asks for, in one order however it was spelt; nothing if it is empty.

    Raises BadRequestError: it is too long, or none that Kubernetes would take.
    """
    if len(selector) > MAX_CHARACTERS:
        raise _refused(f"must be at most {MAX_CHARACTERS} characters")
    tokens = _Tokens(selector)
    found: dict[tuple[str, int, tuple[str, ...]], LabelRequirement] = {}
    while tokens.next != _END:
        requirement = _requirement(tokens)
        values = tuple(requirement.values)
        found[requirement.key, requirement.operator, values] = requirement
        if len(found) > MAX_REQUIREMENTS:
            raise _refused(f"must be at most {MAX_REQUIREMENTS} requirements")
        _take_separator(tokens)
    return tuple(found[order] for order in sorted(found))


class _Tokens:
    """The words and symbols of a selector, from left to right."""

    def __init__(self, text: str) -> None:
        self._rest = (token for token in _TOKEN.findall(text) if not token.isspace())
        self.next = next(self._rest, _END)

    def take(self) -> str:
        """The next token, which is now behind."""
        token, self.next = self.next, next(self._rest, _END)
        return token

    def word_is_next(self) -> bool:
        return self.next != _END and self.next not in _SYMBOLS


def _requirement(tokens: _Tokens) -> LabelRequirement:
    if tokens.next == "!":
        tokens.take()
        key, operator = _key(tokens), LabelOperator.LABEL_OPERATOR_DOES_NOT_EXIST
        return LabelRequirement(key=key, operator=operator)
    key = _key(tokens)
    if tokens.next in {",", _END}:
        return LabelRequirement(key=key, operator=LabelOperator.LABEL_OPERATOR_EXISTS)
    sign = tokens.take()
    if sign not in _OPERATORS:
        raise _refused("after a key comes one of = == != in notin > < or a comma")
    values = _set(tokens) if sign in {"in", "notin"} else (_value(tokens),)
    if sign in _NUMERIC:
        _check_number(values[0])
    return LabelRequirement(key=key, operator=_OPERATORS[sign], values=values)


def _take_separator(tokens: _Tokens) -> None:
    if tokens.next == _END:
        return
    if tokens.take() != ",":
        raise _refused("requirements are joined by commas")
    if not (tokens.word_is_next() or tokens.next == "!"):
        raise _refused("after a comma comes a requirement")


def _key(tokens: _Tokens) -> str:
    if not tokens.word_is_next():
        raise _refused("a requirement begins with a key, or with ! and a key")
    key = tokens.take()
    prefix, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name) or (slash and not _is_domain(prefix)):
        raise _refused("a key is a label name, after a domain and a slash if any")
    return key


def _is_domain(text: str) -> bool:
    """RFC 1123, as Kubernetes bounds it."""
    labels = text.split(".")
    return len(text) <= LONGEST_PREFIX and all(map(_DOMAIN_LABEL.fullmatch, labels))


def _value(tokens: _Tokens) -> str:
    """One value; the empty one where the requirement ends."""
    if tokens.next in {",", _END}:
        return ""
    if not tokens.word_is_next():
        raise _refused("after = == != > or < comes a value")
    return _checked_value(tokens.take())


def _set(tokens: _Tokens) -> tuple[str, ...]:
    """The values between parentheses, sorted and each once."""
    if tokens.take() != "(" or tokens.next == ")":
        raise _refused("after in or notin come values in parentheses")
    values: set[str] = set()
    while True:
        values.add(_checked_value(tokens.take()) if tokens.word_is_next() else "")
        if len(values) > MAX_VALUES:
            raise _refused(f"a set must be at most {MAX_VALUES} values")
        separator = tokens.take()
        if separator == ")":
            return tuple(sorted(values))
        if separator != ",":
            raise _refused("values in parentheses are joined by commas")


def _checked_value(word: str) -> str:
    if not _NAME.fullmatch(word):
        raise _refused("a value must be a label value of at most 63 characters")
    return word


def _check_number(value: str) -> None:
    if not (value.isascii() and value.isdigit() and int(value) <= MAX_NUMBER):
        raise _refused("after > or < comes a whole number of at most 64 bits")


def _refused(rule: str) -> BadRequestError:
    return BadRequestError(f"labelSelector: {rule}")
