"""What a request's body says, whichever language it is written in.

- One tree of objects, lists, texts, numbers, booleans and nulls; nesting and number of values
  bounded; no lone surrogate, which no encoding could carry on.
- Of a key that an object has more than once, the last stands, as in Kubernetes; which keys
  these are is told, and the request decides whether that is refused (`fieldValidation`).
- A refusal never quotes what was sent.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from gateway.bodies.field_paths import LONGEST_SHOWN
from gateway.errors import BadRequestError

MAX_DEPTH = 64
MAX_VALUES = 20_000
MAX_REPETITIONS = 100
"""Told of one body; no one reads more."""


class RepeatingObject(dict[str, object]):
    """An object in which keys came more than once."""

    def __init__(
        self, members: Iterable[tuple[str, object]], repeated: tuple[str, ...]
    ) -> None:
        super().__init__(members)
        self.repeated = repeated


@dataclass(frozen=True, slots=True)
class NotText:
    """A scalar of YAML that is neither text nor anything that JSON has, such as a date."""

    what: str


@dataclass(frozen=True, slots=True)
class Document:
    """What a body says, and the paths of fields that came more than once. It does not print."""

    tree: object = field(repr=False)
    repeated: tuple[str, ...] = field(default=(), repr=False)


class RefusedError(ValueError):
    """A reason that is safe to show, raised while an object is put together."""


def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object with these members, which knows of the keys that are given again."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    again = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]  # add returns None, which is what is wanted
    return RepeatingObject(pairs, tuple(dict.fromkeys(again)))


def document_of(tree: object) -> Document:
    """The tree with its repetitions. Raises BadRequestError: it is out of bounds."""
    if check_tree(tree):
        return Document(tree, tuple(islice(_repetitions(tree, ""), MAX_REPETITIONS)))
    return Document(tree)


def check_tree(tree: object) -> bool:
    """Whether keys are repeated anywhere. Raises BadRequestError: the tree is out of bounds.

    Walks without recursion, level by level.
    """
    level: list[object] = [tree]
    count, repeating = 0, False
    for _depth in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_VALUES:
            raise BadRequestError(f"the request body holds more than {MAX_VALUES} values")
        repeating = repeating or any(isinstance(value, RepeatingObject) for value in level)
        level = [inner for value in level for inner in _parts(value)]
        if not level:
            return repeating
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
    """An escape may spell half a surrogate pair."""
    try:
        text.encode("utf-8")
        encodable = True
    except UnicodeEncodeError:
        encodable = False
    if not encodable:
        raise BadRequestError("the request body holds a lone surrogate")


def _repetitions(value: object, path: str) -> Iterator[str]:
    """Recursion is bounded by MAX_DEPTH, which has been checked."""
    if isinstance(value, RepeatingObject):
        for key in value.repeated:
            yield member_path(path, key)
    match value:
        case dict():
            for key, inner in value.items():
                yield from _repetitions(inner, member_path(path, key))
        case list():
            for index, inner in enumerate(value):
                yield from _repetitions(inner, f"{path}[{index}]")


def member_path(path: str, key: str) -> str:
    """The path of the member `key` of the object under `path`; no longer than is ever shown.

    One long key above many others would else be copied once for each of them.
    """
    if len(path) > LONGEST_SHOWN:
        return path
    return (f"{path}.{key}" if path else key)[: LONGEST_SHOWN + 1]
