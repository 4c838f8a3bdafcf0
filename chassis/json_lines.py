"""JSON objects, one a line, as commands give them to each other."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from chassis.config import StartRefusedError
from chassis.strict_json import parse_object

STANDARD_INPUT = "-"
MAXIMUM_LINE_BYTES = 65_536


class Line(NamedTuple):
    """One object and where it stands; lines count from 1."""

    number: int
    object: dict[str, Any]


def read_objects(path: str) -> Iterator[Line]:
    """The objects in the file, or in standard input for `-`; empty lines are none.

    Raises StartRefusedError that names the line, and quotes nothing of it.
    """
    try:
        with _opened(path) as file:
            yield from _objects(file)
    except OSError as error:
        raise StartRefusedError((f"{path}: cannot be read: {type(error).__name__}",)) from None


def write_object(members: Mapping[str, object]) -> None:
    """One line of standard output is this object."""
    sys.stdout.write(json.dumps(members, separators=(",", ":")) + "\n")


def line_problem(number: int, problem: str) -> StartRefusedError:
    """The error of a line that breaks a rule."""
    return StartRefusedError((f"line {number} {problem}",))


def _opened(path: str) -> Any:
    return nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else Path(path).open("rb")


def _objects(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while text := file.readline(MAXIMUM_LINE_BYTES + 1):
        number += 1
        if len(text) > MAXIMUM_LINE_BYTES:
            raise line_problem(number, f"is longer than {MAXIMUM_LINE_BYTES} bytes")
        if text.strip():
            yield Line(number, _object(number, text))


def _object(number: int, text: bytes) -> dict[str, Any]:
    try:
        return parse_object(text)
    except ValueError as error:
        raise line_problem(number, f"is {error}") from None
