"""The text of one variable as a value of its type. Pure.

The rule in a problem is complete; the offending text is never part of it.
"""

import math
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class ValueProblemError(Exception):
    """What is wrong, as the rest of a sentence that starts with the variable's name."""


def parse_value(
    kind: Any, text: str, *, minimum: float | None = None, maximum: float | None = None
) -> object:
    """The value. Raises ValueProblemError; TypeError for a type that has no reading."""
    if get_origin(kind) is tuple:
        return _items(kind, text)
    if not text.strip():
        raise ValueProblemError("is empty")
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(kind, text)
    parse = _PARSERS.get(kind)
    if parse is None:
        raise TypeError(f"no configuration variable can hold a {kind}")
    value = parse(text)
    _check_bounds(value, minimum, maximum)
    return value


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueProblemError("must be a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueProblemError("must be a number") from None
    if not math.isfinite(value):
        raise ValueProblemError("must be a finite number")
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueProblemError("must be true or false")
    return _BOOLEANS[text.lower()]


def _member(kind: type[Enum], text: str) -> Enum:
    for member in kind:
        if str(member.value).lower() == text.lower():
            return member
    raise ValueProblemError("must be one of " + ", ".join(str(m.value) for m in kind))


def _items(kind: Any, text: str) -> tuple[object, ...]:
    if get_args(kind) != (str, ...):
        raise TypeError(f"no configuration variable can hold a {kind}")
    items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
    if "" in items:
        raise ValueProblemError("has an empty item between its commas")
    return items


def _check_bounds(value: object, minimum: float | None, maximum: float | None) -> None:
    if not isinstance(value, (int, float)):
        return
    if minimum is not None and value < minimum:
        raise ValueProblemError(f"must be at least {minimum}")
    if maximum is not None and value > maximum:
        raise ValueProblemError(f"must be at most {maximum}")


_PARSERS: dict[Any, Callable[[str], object]] = {
    str: str,
    int: _integer,
    float: _number,
    bool: _boolean,
    Path: Path,
}
