"""JSON Patch (RFC 6902) with bounds, on an object of which some fields can only be written.

- What can only be written is not in the object; `copy`, `move` and `test` on it, or on what
  it is part of, are refused: each could tell of it, or carry it where it is read.
- The number of operations is bounded, and how much `copy` may add.
- A message names the operation by its number, never what stands in it or in the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import jsonpatch

from gateway.bodies.request_tree import MAX_VALUES, Document
from gateway.errors import BadRequestError, BodyTooLargeError, UnprocessableError
from gateway.patches.patch import Live
from gateway.representation.last_applied import LAST_APPLIED, without_value

MAX_OPERATIONS = 1_000
MAX_COPIED = MAX_VALUES
"""Values and characters that all copies together may add."""

_MEMBERS = {
    "add": {"op", "path", "value"},
    "replace": {"op", "path", "value"},
    "test": {"op", "path", "value"},
    "remove": {"op", "path"},
    "copy": {"op", "path", "from"},
    "move": {"op", "path", "from"},
}
READING = frozenset({"copy", "move", "test"})
"""Operations whose outcome depends on what stands in the object."""


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """A Patch made of operations, each of them well formed. It does not print."""

    operations: tuple[dict[str, object], ...] = field(repr=False)

    def made_on(self, live: Live) -> object:
        """The object as it is to be.

        Raises UnprocessableError; BodyTooLargeError.
        """
        return self.applied_to(live.tree)

    def created(self) -> None:
        """Nothing: there is an object, or there is none to patch."""

    def applied_to(self, tree: object) -> object:
        """`tree`, which is no longer usable itself, as the patch changes it.

        Raises UnprocessableError: an operation does not fit; BodyTooLargeError.
        """
        copied = 0
        reduced: dict[str, dict[str, str]] = {}
        for number, operation in enumerate(self.operations, start=1):
            if operation["op"] == "copy":
                copied += _size_at(tree, str(operation["from"]), MAX_COPIED - copied)
            tree, fits = _applied(tree, operation)
            if not fits:
                raise UnprocessableError(
                    f"operation {number} of the JSON patch ({operation['op']}) does not fit "
                    "the object"
                )
            _reduce_last_applied(tree, reduced)
        return tree


def json_patch_from(document: Document, *, unreadable: Sequence[Sequence[str]]) -> JsonPatch:
    """The patch that a body is. `unreadable`: where stands what can only be written.

    Raises BadRequestError: it is none; BodyTooLargeError: it has too many operations;
    UnprocessableError: it would read what can only be written.
    """
    if not isinstance(document.tree, list):
        raise BadRequestError("a JSON patch must be a list of operations")
    if len(document.tree) > MAX_OPERATIONS:
        raise BodyTooLargeError(
            f"the allowed maximum of operations in a JSON patch is {MAX_OPERATIONS}"
        )
    operations = tuple(
        _operation(number, given) for number, given in enumerate(document.tree, start=1)
    )
    for number, operation in enumerate(operations, start=1):
        if operation["op"] in READING and _touches(operation, unreadable):
            raise UnprocessableError(
                f"operation {number} of the JSON patch ({operation['op']}) is on a field that "
                "can only be written"
            )
    return JsonPatch(operations)


def _operation(number: int, given: object) -> dict[str, object]:
    """The operation with the members that it has by RFC 6902 §4, all others left out."""
    name = given.get("op") if isinstance(given, dict) else None
    members = _MEMBERS.get(name) if isinstance(name, str) else None
    if not isinstance(given, dict) or members is None or not members <= given.keys():
        raise BadRequestError(f"operation {number} of the JSON patch is none of RFC 6902")
    if not all(_is_pointer(given[key]) for key in members & {"path", "from"}):
        raise BadRequestError(f"operation {number} of the JSON patch has a malformed pointer")
    return {key: given[key] for key in members}


def _is_pointer(text: object) -> bool:
    """RFC 6901 §3."""
    if not isinstance(text, str):
        return False
    escapes = text.replace("~0", "").replace("~1", "")
    return "~" not in escapes and (not text or text.startswith("/"))


def _parts(pointer: object) -> list[str]:
    parts = str(pointer).split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def _touches(operation: dict[str, object], unreadable: Sequence[Sequence[str]]) -> bool:
    """Whether the operation reads such a field, what it is part of, or what is part of it."""
    read = _parts(operation.get("from", operation["path"]))
    return any(
        all(one == other for one, other in zip(read, place, strict=False))
        for place in unreadable
    )


def _applied(tree: object, operation: dict[str, object]) -> tuple[object, bool]:
    """The tree afterwards, and whether the operation fits it.

    Moves may have nested the tree deeper than any body could be, and than Python can walk.
    """
    try:
        return jsonpatch.JsonPatch([operation]).apply(tree, in_place=True), True
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, RecursionError):
        return tree, False


def _reduce_last_applied(tree: object, reduced: dict[str, dict[str, str]]) -> None:
    """Takes the value out of what kubectl applied last, before a later operation copies it.

    `reduced` holds the results by text: many operations may leave or put back the same text.
    """
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
    if not isinstance(annotations, dict) or not isinstance(text, str):
        return
    if text not in reduced:
        reduced[text] = without_value({LAST_APPLIED: text})
        reduced |= {kept: {LAST_APPLIED: kept} for kept in reduced[text].values()}
    del annotations[LAST_APPLIED]
    annotations |= reduced[text]


def _size_at(tree: object, pointer: str, most: int) -> int:
    """Values and characters below `pointer`; 0 where nothing is. Raises BodyTooLargeError."""
    try:
        level = [jsonpatch.JsonPointer(pointer).resolve(tree)]
    except jsonpatch.JsonPointerException:
        return 0
    size = 0
    while level:
        size += sum(len(value) if isinstance(value, str) else 1 for value in level)
        if size > most:
            break
        level = [inner for value in level for inner in _inner(value)]
    if size > most:
        raise BodyTooLargeError("the JSON patch copies more than any object needs")
    return size


def _inner(value: object) -> Sequence[object]:
    match value:
        case dict():
            return [*value.keys(), *value.values()]
        case list():
            return value
    return ()
