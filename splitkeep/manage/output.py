"""Objects on standard output: as a table, JSON, YAML or names.

What the server sent moves no cursor and passes for no other line (splitkeep.terminal). A table
is coloured on a terminal only, and not with NO_COLOR; anywhere else its lines are as long as
they need to be.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from splitkeep.manage.rest import Object
from splitkeep.terminal import one_line

WIDE_ENOUGH = 10_000  # columns of what is no terminal
CREATED_BY = "grafana.app/createdBy"
UPDATED = "grafana.app/updatedTimestamp"
NOTHING = "-"
UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class Form(StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    cell: Callable[[Object], str]
    wide: bool = False
    """Only in the form `wide`, and where one object is shown."""


def print_list(
    items: Iterable[Object], columns: Sequence[Column], form: Form, *, kind: str
) -> None:
    """All of them, in the form that is asked for."""
    match form:
        case Form.JSON | Form.YAML:
            document = {"apiVersion": "v1", "kind": "List", "items": list(items)}
            print_document(document | {"kind": f"{kind}List"}, form)
        case Form.NAME:
            for item in items:
                print(one_line(item["metadata"]["name"]))
        case _:
            _print_table(items, [c for c in columns if not c.wide or form is Form.WIDE])


def print_object(item: Object, columns: Sequence[Column], form: Form) -> None:
    """One of them; as a table, one field a line."""
    match form:
        case Form.JSON | Form.YAML:
            print_document(item, form)
        case Form.NAME:
            print(one_line(item["metadata"]["name"]))
        case _:
            print_fields([(column.title, column.cell(item)) for column in columns])


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """One line each: title and text."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for title, text in fields:
        table.add_row(title, _cell(text))
    _console().print(table)


def print_document(document: Object, form: Form) -> None:
    """As JSON or YAML. Both escape what moves a cursor."""
    if form is Form.YAML:
        sys.stdout.write(yaml.safe_dump(document, sort_keys=False))
    else:
        print(json.dumps(document, indent=2))


def labels_of(item: Object) -> str:
    """`name: value` of each, in order."""
    labels: dict[str, str] = item["metadata"].get("labels", {})
    return ", ".join(f"{name}: {value}" for name, value in sorted(labels.items())) or NOTHING


def age_of(moment: str) -> str:
    """How long ago a moment of the API (RFC 3339) was: the two greatest units."""
    if moment in {"", NOTHING}:
        return NOTHING
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    if seconds < 1:
        return "now"
    parts: list[str] = []
    for unit, length in UNITS:
        count, seconds = divmod(seconds, length)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2])


def annotation(name: str) -> Callable[[Object], str]:
    """The cell that shows an annotation."""
    return lambda item: item["metadata"].get("annotations", {}).get(name, NOTHING)


def _print_table(items: Iterable[Object], columns: Sequence[Column]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title.upper(), overflow="fold")
    for item in items:
        table.add_row(*(_cell(column.cell(item)) for column in columns))
    _console().print(table)


def _cell(text: Any) -> Text:
    """Text without markup: what the server sent styles nothing."""
    return Text(one_line(str(text)))


def _console() -> Console:
    terminal = sys.stdout.isatty()
    return Console(highlight=False, width=None if terminal else WIDE_ENOUGH)
