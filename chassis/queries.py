"""Named SQL statements of one or more files as a typed, frozen value.

A file is a row of sections, each headed by `-- name: read_active`. What the heading names is
a field of the dataclass; a heading without a field, or the reverse, fails at loading.

What several statements share is a section headed by `-- part: live`. A line `-- include: live`
below it, or in a later file, stands for the part's lines. Text is put together when the files
are read, never later.
"""

import dataclasses
import re
from collections.abc import Sequence
from importlib import resources
from typing import TypeVar

T = TypeVar("T")

_HEADING = re.compile(r"^-- (name|part): ([a-z][a-z0-9_]*)$", re.MULTILINE)
_INCLUDE = re.compile(r"^ *-- include: ([a-z][a-z0-9_]*)$", re.MULTILINE)


class QueryFileError(Exception):
    """The file and the dataclass do not name the same statements."""


def load_queries(kind: type[T], package: str, *files: str) -> T:
    """The statements of `files` in `package`, one per field of the dataclass `kind`.

    Raises QueryFileError naming every heading without a field, field without a heading,
    repeated heading and section without a statement; or the part that is not there.
    """
    parts: dict[str, str] = {}
    sections = [
        section
        for file in files
        for section in _split(resources.files(package).joinpath(file).read_text("utf-8"), parts)
    ]
    names = [name for name, _ in sections]
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # a dataclass by contract
    problems = [
        *(f"no statement is named {name}" for name in sorted(fields - set(names))),
        *(f"no field is named {name}" for name in sorted(set(names) - fields)),
        *(
            f"{name} is there twice"
            for name in sorted({n for n in names if names.count(n) > 1})
        ),
        *(f"{name} is empty" for name, statement in sections if not _has_statement(statement)),
    ]
    if problems:
        raise QueryFileError(f"{package}/{', '.join(files)}: " + "; ".join(problems))
    return kind(**dict(sections))


def in_one_text(texts: Sequence[str]) -> str:
    """Parted by spaces, for a statement to take apart with string_to_array(…, ' ').

    For many texts that costs the driver a third less than an array, each item of which it looks
    at with care. Raises ValueError if one has a space, for it would shift the others.
    """
    text = " ".join(texts)
    if text.count(" ") >= max(1, len(texts)):
        raise ValueError("a space in a text that is parted from others by one")
    return text


def _split(text: str, parts: dict[str, str]) -> list[tuple[str, str]]:
    """The statements and their names, the parts put where they are included.

    The parts of this file are added to `parts`.
    """
    preamble, *rest = _HEADING.split(text)
    if _has_statement(preamble):
        raise QueryFileError("there is a statement above the first `-- name:` heading")
    sections = []
    for heading, name, body in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        whole = _INCLUDE.sub(lambda found: _part(parts, found[1]), body).strip()
        if heading == "part":
            parts[name] = whole
        else:
            sections.append((name, whole))
    return sections


def _part(parts: dict[str, str], name: str) -> str:
    if name not in parts:
        raise QueryFileError(f"there is no part named {name} above where it is included")
    return parts[name]


def _has_statement(text: str) -> bool:
    lines = (line.strip() for line in text.splitlines())
    return any(line and not line.startswith("--") for line in lines)
