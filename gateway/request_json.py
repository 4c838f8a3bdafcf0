"""JSON as the gateway reads it: what one reader could take differently from another is refused.

- UTF-8 only; one top-level object; no key twice in one object; no NaN, Infinity or number out
  of range; no lone surrogate; nesting and number of values bounded.
- A refusal never quotes the text, and no exception that holds the text survives: the standard
  library's errors carry the whole document, so ours are raised outside their `except` blocks.
- RFC 8259 leaves repeated names and lone surrogates open (§4, §8.2); this module closes both.
"""

import json
import math
from collections.abc import Iterable
from typing import NoReturn, TypeAlias

from gateway.errors import BadRequestError

JsonObject: TypeAlias = dict[str, object]

MAX_DEPTH = 64
MAX_VALUES = 20_000

NAMED_FIELDS = frozenset(
    {
        *("apiVersion", "kind", "metadata", "spec", "status"),
        *("annotations", "generateName", "labels", "name", "namespace", "ownerReferences"),
        *("decrypters", "description", "ref", "value"),
        *("dryRun", "preconditions", "resourceVersion", "uid"),
    }
)
"""Keys that a message may quote, because they are ours and not the client's."""


class _RefusedError(ValueError):
    """A reason that is safe to show."""


def parse_object(body: bytes | bytearray) -> JsonObject:
    """The one JSON object that `body` is.

    Raises BadRequestError: the body is not such an object; the message holds no part of it.
    """
    document, problem = _decoded(body)
    if problem:
        raise BadRequestError(f"the request body {problem}")
    if not isinstance(document, dict):
        raise BadRequestError("the request body must be a JSON object")
    _check_values(document)
    return document


def _decoded(body: bytes | bytearray) -> tuple[object, str]:
    """The document and no problem, or nothing and the problem."""
    try:
        return _DECODER.decode(body.decode("utf-8")), ""
    except (ValueError, RecursionError) as error:
        return None, _problem(error)


def _problem(error: Exception) -> str:
    """The kinds of ValueError first: each of the others is one too."""
    match error:
        case UnicodeDecodeError():
            return "is not UTF-8"
        case json.JSONDecodeError():
            return f"is not valid JSON (line {error.lineno}, column {error.colno})"
        case _RefusedError():
            return str(error)
        case RecursionError():
            return f"is nested deeper than {MAX_DEPTH} levels"
    return "holds a number that is out of range"


def _object_of(pairs: list[tuple[str, object]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError(_repetition(key for key, _ in pairs))
    return members


def _repetition(keys: Iterable[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen and key in NAMED_FIELDS:
            return f'has the field "{key}" more than once in one object'
        seen.add(key)
    return "has a key more than once in one object"


def _refuse_constant(_name: str) -> NoReturn:
    raise _RefusedError("holds a number that JSON does not have")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _RefusedError("holds a number that is out of range")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_of, parse_constant=_refuse_constant, parse_float=_finite
)


def _check_values(document: JsonObject) -> None:
    """Walks without recursion, level by level."""
    level: list[object] = [document]
    count = 0
    for _depth in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_VALUES:
            raise BadRequestError(f"the request body holds more than {MAX_VALUES} values")
        level = [inner for value in level for inner in _parts(value)]
        if not level:
            return
    raise BadRequestError(f"the request body is nested deeper than {MAX_DEPTH} levels")


def _parts(value: object) -> Iterable[object]:
    match value:
        case dict():
            for key in value:
                _check_text(key)
            return value.values()
        case list():
            return value
        case str():
            _check_text(value)
    return ()


def _check_text(text: str) -> None:
    """An escape may spell half a surrogate pair, which no encoding can carry on."""
    try:
        text.encode("utf-8")
        encodable = True
    except UnicodeEncodeError:
        encodable = False
    if not encodable:
        raise BadRequestError("the request body holds a lone surrogate")
