"""Typed reading of a JSON object, field by field.

- Absent and null are the same, as Kubernetes has it.
- Unknown fields are never asked for, and so never travel further.
- A wrong type is a BadRequestError with the field's path and expected type, never the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.bodies.request_tree import NotText
from gateway.errors import BadRequestError


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object and where it stands. Its members do not print: one is the value."""

    members: Mapping[str, object] = field(repr=False)
    path: str = ""

    def text(self, key: str) -> str:
        """The string, or an empty one when there is none. Raises BadRequestError."""
        return self.text_if_present(key) or ""

    def text_if_present(self, key: str) -> str | None:
        """The string, or None when there is none. Raises BadRequestError."""
        value = self.members.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self._mistyped(key, f"a string, not {_what(value)}")

    def texts(self, key: str) -> list[str]:
        """The list of strings, empty when there is none. Raises BadRequestError."""
        values = self._list(key, "a list of strings")
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(values):
            raise self._mistyped(key, "a list of strings")
        return texts

    def text_map(self, key: str) -> dict[str, str]:
        """The object of strings, empty when there is none. Raises BadRequestError."""
        members = self.child(key).members
        texts = {name: value for name, value in members.items() if isinstance(value, str)}
        if len(texts) != len(members):
            raise self._mistyped(key, "an object of strings")
        return texts

    def child(self, key: str) -> "Fields":
        """The object under `key`, empty when there is none. Raises BadRequestError."""
        value = self.members.get(key)
        if value is None:
            return Fields({}, self._path(key))
        if isinstance(value, dict):
            return Fields(value, self._path(key))
        raise self._mistyped(key, "an object")

    def children(self, key: str) -> tuple["Fields", ...]:
        """The objects listed under `key`. Raises BadRequestError."""
        values = self._list(key, "a list of objects")
        children = tuple(
            Fields(value, f"{self._path(key)}[{index}]")
            for index, value in enumerate(values)
            if isinstance(value, dict)
        )
        if len(children) != len(values):
            raise self._mistyped(key, "a list of objects")
        return children

    def _list(self, key: str, expected: str) -> list[object]:
        value = self.members.get(key)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise self._mistyped(key, expected)

    def _path(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _mistyped(self, key: str, expected: str) -> BadRequestError:
        return BadRequestError(f"{self._path(key)}: must be {expected}")


def _what(value: object) -> str:
    """What stands in place of a string; YAML reads some texts so that have no quotes."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case NotText(what=what):
            return what
    return "an object"
