"""Text for people: what comes from elsewhere moves no cursor and passes for no other line."""

import sys
from typing import TextIO
from unicodedata import category

KEPT = "\n\t"
# Controls, lone surrogates (bytes that were not UTF-8), separators of lines and of paragraphs.
ESCAPED = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the order in which a terminal shows what follows.
DIRECTIONS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def printable(text: str) -> str:
    """The text with every control character and unencodable byte written as an escape.

    Line feeds and tabs stay.
    """
    return "".join(c if c in KEPT else _shown(c) for c in text)


def one_line(text: str) -> str:
    """As `printable`, with line feeds and tabs as escapes too."""
    return "".join(map(_shown, text))


def tell(message: object, *, to: TextIO | None = None) -> None:
    """The message is on the stream, on standard error unless another is named."""
    print(printable(str(message)), file=to or sys.stderr, flush=True)


def is_plain(value: bytes, *, lines: bool) -> bool:
    """Whether it is UTF-8 text that a terminal shows as it is; of one line unless `lines`."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    return (printable(text) if lines else one_line(text)) == text


def _shown(character: str) -> str:
    if category(character) in ESCAPED or character in DIRECTIONS:
        return character.encode("unicode_escape").decode()
    return character
