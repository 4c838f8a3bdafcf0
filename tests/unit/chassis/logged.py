"""What may be logged, and what came of it."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from hypothesis import strategies as st

from chassis.log_level import LogLevel
from chassis.redaction import MAX_TEXT_CHARACTERS
from chassis.telemetry import configure_logging

MARKER = "marker-of-a-secret"
TOKEN = f"eyJhbGciOiJFUzI1NiJ9.{MARKER}.{MARKER}"
LONG = "x" * (MAX_TEXT_CHARACTERS + 1)

pieces = st.sampled_from(
    [
        *(
            "eyJ",
            "EYJ",
            ".",
            "bearer ",
            "BeArEr\t",
            "://",
            "@",
            ":",
            "a",
            " ",
            "password=",
            "_",
        ),
        *("pa\u017fsword=", "pas\u017fword=", "-----BEGIN PRIVATE KEY-----", "-----begin "),
        *("\ud800", "\u212a", "é", "\n", '"', "\\", "\x00", "\x7f", "\\u017f"),
    ]
)
texts = st.lists(pieces, max_size=8).map("".join) | st.text(max_size=12)
numbers = st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
scalars = texts | numbers | st.uuids() | st.just(LONG) | st.binary(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["name", "token", "a"]), inner, max_size=2)
    ),
    max_leaves=6,
)
names = st.sampled_from(
    ["name", "names", "reason", "token", "key", "key_id", "X-Value", "value"]
)


class Written:
    """What is logged is kept as text."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def of(self, **fields: Any) -> str:
        self.forget()
        structlog.get_logger("x").info("an event", **fields)
        return self.stream.getvalue()

    def forget(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()


@contextmanager
def logging_kept() -> Iterator[Written]:
    """Logging goes to what is yielded; afterwards it is set as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = Written()
    configure_logging("test", LogLevel.INFO, written.stream)
    yield written
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
