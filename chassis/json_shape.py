"""A JSON text reduced to the members that a shape names; everything else is left out.

A shape lists what is kept, so a member that nobody thought of is left out. A text that two
readers could take differently is refused as a whole: repeated names, a lone surrogate, a number
that JSON does not have. RFC 8259 leaves the first two open (§4, §8.2).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

LONGEST_TEXT = 320 * 1024
"""Characters that are read at all; a longer text is refused."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string; one of `values`, which must then be there, if any are given."""

    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of strings."""


@dataclass(frozen=True, slots=True)
class TextMap:
    """An object of strings under any names except those of `without`, which are left out."""

    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Members:
    """An object of which these members are kept."""

    shapes: Mapping[str, "Shape"] = field(default_factory=dict)


Shape: TypeAlias = Text | Texts | TextMap | Members


class _MisfitError(ValueError):
    """The text does not have the shape. It says nothing of the text."""


def reduced_to(text: str, shape: Members) -> str | None:
    """`text` with the members of `shape` alone; `text` itself if it has no others.

    None if it is not a JSON object, if a member of the shape has another type, or if two
    readers could take the text differently. A null member counts as absent.
    """
    tree = _object_in(text)
    if tree is None:
        return None
    try:
        kept = _members(tree, shape)
    except ValueError:
        return None
    if kept == tree:
        return text
    end = "\n" if text.endswith("\n") else ""
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) + end


def texts_in(text: str) -> Iterator[str]:
    """Every string of a JSON text as it reads, names included; none if it is not JSON."""
    tree = _object_in(text)
    level: list[object] = [] if tree is None else [tree]
    while level:
        yield from (value for value in level if isinstance(value, str))
        level = [inner for value in level for inner in _parts(value)]


def _parts(value: object) -> list[object]:
    match value:
        case dict():
            return [*value.keys(), *value.values()]
        case list():
            return value
    return []


def _object_in(text: str) -> dict[str, object] | None:
    if len(text) > LONGEST_TEXT:
        return None
    try:
        tree = _DECODER.decode(text)
        text.encode()
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _MisfitError
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise _MisfitError


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unrepeated, parse_constant=_refuse_constant, strict=True
)


def _kept(value: object, shape: Shape) -> object:
    match shape, value:
        case Text(), str() if not shape.values or value in shape.values:
            return _encodable(value)
        case Texts(), list():
            return [_text(item) for item in value]
        case TextMap(), dict():
            kept = {key: text for key, text in value.items() if key not in shape.without}
            return {_encodable(key): _text(text) for key, text in kept.items()}
        case Members(), dict():
            return _members(value, shape)
    raise _MisfitError


def _members(tree: Mapping[str, object], shape: Members) -> dict[str, object]:
    for name, inner in shape.shapes.items():
        if isinstance(inner, Text) and inner.values and tree.get(name) is None:
            raise _MisfitError
    return {
        name: _kept(value, shape.shapes[name])
        for name, value in tree.items()
        if name in shape.shapes and value is not None
    }


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _MisfitError
    return _encodable(value)


def _encodable(text: str) -> str:
    """An escape may spell half a surrogate pair, which no encoding could carry on."""
    text.encode()
    return text
