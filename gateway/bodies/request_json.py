"""JSON as the gateway reads it: what one reader could take differently from another is refused.

- UTF-8 only; no NaN, Infinity or number out of range; the rest is request_tree.py's.
- A refusal never quotes the text, and no exception that holds the text survives: the standard
  library's errors carry the whole document, so ours are raised outside their `except` blocks.
- RFC 8259 leaves repeated names and lone surrogates open (§4, §8.2).
"""

import json
import math
from typing import NoReturn, TypeAlias

from gateway.bodies.request_tree import (
    MAX_DEPTH,
    Document,
    RefusedError,
    document_of,
    object_of,
)
from gateway.errors import BadRequestError

JsonObject: TypeAlias = dict[str, object]


def parse_json(body: bytes | bytearray) -> Document:
    """What `body` says. Raises BadRequestError: it is not JSON, or out of bounds."""
    tree, problem = _decoded(body)
    if problem:
        raise BadRequestError(f"the request body {problem}")
    return document_of(tree)


def json_if_valid(body: bytes | bytearray) -> Document | None:
    """What `body` says; None if it is not JSON. Raises BadRequestError: it is out of bounds."""
    tree, problem = _decoded(body)
    return None if problem else document_of(tree)


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
        case RefusedError():
            return str(error)
        case RecursionError():
            return f"is nested deeper than {MAX_DEPTH} levels"
    return "holds a number that is out of range"


def _refuse_constant(_name: str) -> NoReturn:
    raise RefusedError("holds a number that JSON does not have")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RefusedError("holds a number that is out of range")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=object_of, parse_constant=_refuse_constant, parse_float=_finite
)
