"""YAML as the gateway reads it: the part of it that says what JSON says, and nothing else.

- One document; no anchors, aliases, tags or merge keys: what stands there is what is meant, and
  no few lines unfold into many.
- A plain scalar that YAML 1.1 reads as a number, a boolean, a date or null is one: `yes` is no
  text. A key must be text.
- Bytes, depth and number of values are bounded while the text is read, not after.
- A refusal never quotes the text, nor does an exception that holds it survive.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import yaml

from gateway.bodies.request_json import json_if_valid
from gateway.bodies.request_tree import (
    MAX_DEPTH,
    Document,
    NotText,
    RefusedError,
    document_of,
    object_of,
)
from gateway.errors import BadRequestError, BodyTooLargeError

MAX_YAML_BYTES = 262_144
MAX_YAML_NODES = 5_000
"""Several times what an object can hold; YAML costs its reader more than JSON does."""

_JSON_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
"""Of so few digits that 64 bits hold it."""
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}([eE][-+]?[0-9]{1,2})?")

_TAG_DIRECTIVE = re.compile("(?:^|[\n\r\x85\u2028\u2029])\ufeff?%TAG")
"""At the start of what YAML 1.1 calls a line. The parser compares each with all before it."""

OPENING = (b"{", b"[")
"""Most clients send JSON under YAML's name, and some with escapes that only JSON has."""

_TAG = "tag:yaml.org,2002:"
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers
_TRUE = frozenset({"yes", "true", "on"})
_NOTHING = object()


def parse_yaml(body: bytes | bytearray) -> Document:
    """What `body` says. Raises BadRequestError: not such YAML; BodyTooLargeError."""
    if len(body) > MAX_YAML_BYTES:
        raise BodyTooLargeError
    document = json_if_valid(body) if body[:1] in OPENING else None
    if document is not None:
        return document
    tree, problem = _decoded(body)
    if problem:
        raise BadRequestError(f"the request body {problem}")
    return document_of(tree)


def _decoded(body: bytes | bytearray) -> tuple[object, str]:
    """The document and no problem, or nothing and the problem."""
    try:
        return _tree_of(body.decode("utf-8")), ""
    except UnicodeDecodeError:
        return None, "is not UTF-8"
    except RefusedError as error:
        return None, str(error)
    except yaml.MarkedYAMLError as error:
        return None, f"is not valid YAML{_place(error)}"
    except (yaml.YAMLError, RecursionError):
        return None, "is not valid YAML"


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


@dataclass(slots=True)
class _Node:
    """An object or list that is being read; an object collects keys and values in turn."""

    is_object: bool
    items: list[object] = field(default_factory=list)

    def finished(self) -> object:
        if not self.is_object:
            return self.items
        keys, values = self.items[::2], self.items[1::2]
        if not all(isinstance(key, str) for key in keys):
            raise RefusedError("has a key that YAML does not read as text; put it in quotes")
        return object_of([(str(key), value) for key, value in zip(keys, values, strict=True)])


def _tree_of(text: str) -> object:
    """Raises RefusedError, yaml.YAMLError."""
    tree: object = _NOTHING
    open_nodes: list[_Node] = []
    for event in _bounded_events(text):
        done = _NOTHING
        match event:
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                open_nodes.append(_Node(isinstance(event, yaml.MappingStartEvent)))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = open_nodes.pop().finished()
            case yaml.ScalarEvent():
                done = _scalar(event, is_key=_awaits_key(open_nodes))
        if done is not _NOTHING and open_nodes:
            open_nodes[-1].items.append(done)
        elif done is not _NOTHING:
            tree = done
    return None if tree is _NOTHING else tree


def _awaits_key(open_nodes: list[_Node]) -> bool:
    return bool(open_nodes) and open_nodes[-1].is_object and len(open_nodes[-1].items) % 2 == 0


def _bounded_events(text: str) -> Iterator[yaml.Event]:
    depth = documents = nodes = 0
    if _TAG_DIRECTIVE.search(text):
        raise RefusedError("holds a YAML tag directive, which is not read")
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        _refuse_indirection(event)
        documents += isinstance(event, yaml.DocumentStartEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            raise RefusedError("holds more than one YAML document")
        if nodes > MAX_YAML_NODES:
            raise RefusedError(f"holds more than {MAX_YAML_NODES} keys and values")
        if depth > MAX_DEPTH:
            raise RefusedError(f"is nested deeper than {MAX_DEPTH} levels")
        yield event


def _refuse_indirection(event: yaml.Event) -> None:
    if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
        raise RefusedError("holds a YAML anchor or alias, which are not read")
    if getattr(event, "tag", None) is not None:
        raise RefusedError("holds a YAML tag, which is not read")


def _scalar(event: yaml.ScalarEvent, *, is_key: bool) -> object:
    text: str = event.value
    kind = "str" if event.style else _plain_kind(text)
    if kind == "merge" and is_key:
        raise RefusedError("holds a YAML merge key, which is not read")
    readers: dict[str, Callable[[str], object]] = {
        "null": lambda _: None,
        "bool": lambda plain: plain.lower() in _TRUE,
        "int": _number,
        "float": _number,
        "timestamp": lambda _: NotText("a date"),
    }
    return readers.get(kind, str)(text)


def _plain_kind(text: str) -> str:
    """How YAML 1.1 reads a scalar without quotes (its type repository; PyYAML's resolvers)."""
    candidates = [*_RESOLVERS.get(text[:1], ()), *_RESOLVERS.get(None, ())]
    tags = (tag for tag, pattern in candidates if pattern.match(text))
    return str(next(tags, f"{_TAG}str")).removeprefix(_TAG)


def _number(text: str) -> object:
    """A number that JSON would spell otherwise is told from text, and its size is not known."""
    if _JSON_INTEGER.fullmatch(text):
        return int(text)
    if _JSON_NUMBER.fullmatch(text):
        return float(text)
    return NotText("a number")
