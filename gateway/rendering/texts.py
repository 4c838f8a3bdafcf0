"""Documents as bytes: JSON on one line, JSON for people, or YAML.

A list can be written item by item: what is yielded, joined, is the same document as at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import yaml

from gateway.bodies.request_json import JsonObject
from gateway.rendering.forms import YAML, Form

INDENT = 2
_INNER = b"\n" + b" " * 2 * INDENT


class Text(Protocol):
    """One way of writing."""

    def whole(self, document: Mapping[str, object]) -> bytes:
        """The document."""
        ...

    def opening(self, head: JsonObject, member: str) -> bytes:
        """The head up to where the first item of `member` stands."""
        ...

    def items(self, items: Iterable[JsonObject], *, first: bool) -> bytes:
        """The items, of which there is one at least; `first` if none came before."""
        ...

    def closing(self, *, empty: bool) -> bytes:
        """What comes after the last item; `empty` if there was none."""
        ...


def text_for(form: Form) -> Text:
    """The way of writing that the form asks for."""
    if form.media_type == YAML:
        return YamlText()
    return PrettyJsonText() if form.pretty else JsonText()


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON without any space."""

    def whole(self, document: Mapping[str, object]) -> bytes:
        """See Text.whole."""
        return msgspec.json.encode(document)

    def opening(self, head: JsonObject, member: str) -> bytes:
        """See Text.opening."""
        return self.whole(head).removesuffix(b"}") + b"," + self.whole_text(member) + b":["

    def items(self, items: Iterable[JsonObject], *, first: bool) -> bytes:
        """See Text.items."""
        joined = b",".join(map(self.whole, items))
        return joined if first else b"," + joined

    def closing(self, *, empty: bool) -> bytes:  # noqa: ARG002  # an empty list looks no different
        """See Text.closing."""
        return b"]}"

    def whole_text(self, text: str) -> bytes:
        """A JSON string."""
        return msgspec.json.encode(text)


@dataclass(frozen=True, slots=True)
class PrettyJsonText:
    """JSON with one member a line."""

    def whole(self, document: Mapping[str, object]) -> bytes:
        """See Text.whole."""
        return _indented(document) + b"\n"

    def opening(self, head: JsonObject, member: str) -> bytes:
        """See Text.opening."""
        before = _indented(head).removesuffix(b"\n}")
        return before + b',\n  "' + member.encode() + b'": ['

    def items(self, items: Iterable[JsonObject], *, first: bool) -> bytes:
        """See Text.items. No string of JSON has a line's end in it."""
        joined = b",".join(_INNER + _indented(item).replace(b"\n", _INNER) for item in items)
        return joined if first else b"," + joined

    def closing(self, *, empty: bool) -> bytes:
        """See Text.closing."""
        return b"]\n}\n" if empty else b"\n  ]\n}\n"


def _indented(document: Mapping[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=INDENT)


@dataclass(frozen=True, slots=True)
class YamlText:
    """YAML in block style, keys sorted as in Kubernetes; too slow for the event loop."""

    def whole(self, document: Mapping[str, object]) -> bytes:
        """See Text.whole."""
        return _dumped(document)

    def opening(self, head: JsonObject, member: str) -> bytes:
        """See Text.opening."""
        return _dumped(head) + member.encode() + b":"

    def items(self, items: Iterable[JsonObject], *, first: bool) -> bytes:
        """See Text.items."""
        return (b"\n" if first else b"") + _dumped(list(items))

    def closing(self, *, empty: bool) -> bytes:
        """See Text.closing."""
        return b" []\n" if empty else b""


_READ_DIFFERENTLY = re.compile(r"[-+.0-9~].*|[yYnN]|.*[\n\t].*", re.DOTALL)
"""Strings that some reader of YAML 1.1 or 1.2 takes for a number or a boolean, or that are
hard to read on several lines.
"""


class _Dumper(yaml.CSafeDumper):
    """Writes no aliases, and in quotes what a reader could take for no string."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # of none
        """No object stands for another one elsewhere."""
        return True


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _READ_DIFFERENTLY.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def _dumped(document: Any) -> bytes:
    text: bytes = yaml.dump(
        document,
        Dumper=_Dumper,
        encoding="utf-8",
        allow_unicode=True,
        default_flow_style=False,
        width=1_000_000,
    )
    return text


def in_parts(items: Iterable[JsonObject], *, at_most: int) -> Iterator[list[JsonObject]]:
    """The items, `at_most` at a time."""
    part: list[JsonObject] = []
    for item in items:
        part.append(item)
        if len(part) == at_most:
            yield part
            part = []
    if part:
        yield part
