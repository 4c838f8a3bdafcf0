"""JSON in which nothing is ambiguous: for tokens, key sets and configuration files."""

import json
from typing import Any, NoReturn

_SURROGATE = b"\\ud"  # how each escape of one begins (RFC 8259 §7)


def parse_object(text: bytes) -> dict[str, Any]:
    """The JSON object that `text` is.

    Raises ValueError, without quoting the text, on anything else: another type, a repeated name
    at any depth, NaN or Infinity, bytes that are not UTF-8, an escape that is half a surrogate
    pair, nesting too deep to follow.
    """
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
        if _SURROGATE in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("not one unambiguous JSON document") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # one error for all of it
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is there twice")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("not a number")
