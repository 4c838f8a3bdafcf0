"""What libraries log, print or raise where nobody catches it: lines in our form, and few.

Strangers cause many of these: gRPC reports a call that broke off, with the frames and the text
of the exception, and prints them as well. Each becomes one line with class and place. Of each
logger there are so many lines a second (chassis/line_limit.py), and a count of the others.
"""

import asyncio
import io
import logging
import sys
import threading
from functools import partial
from typing import Any, TextIO

import structlog

from chassis.line_limit import LINES_PER_SECOND, Allowance, LineLimit
from chassis.log_level import LogLevel
from chassis.redaction import describe_exception, redacted_text

# A library's text may quote what a caller sent; who reads it needs its beginning.
MAX_MESSAGE_CHARACTERS = 512
_GRPC = "grpc"

_LOST = LineLimit("error that nobody awaited", LogLevel.ERROR)
_PRINTED = LineLimit("a library wrote to standard error", per_second=1)


class ForeignLines(logging.Handler):
    """The lines of the standard library's loggers, in our form."""

    def __init__(self) -> None:
        super().__init__()
        self._allowances: dict[str, Allowance] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """The record is a line, or counted if its logger has had enough in this second."""
        allowance = self._allowances.get(record.name)
        if allowance is None:
            told = Allowance(LINES_PER_SECOND, partial(_tell_left_out, record.name))
            allowance = self._allowances.setdefault(record.name, told)
        if allowance.take():
            log = structlog.get_logger(record.name)
            getattr(log, _level(record))(
                _message(record), logger=record.name, **_failure(record)
            )


def _tell_left_out(name: str, count: int) -> None:
    structlog.get_logger(name).warning("lines of a library left out", logger=name, count=count)


def _is_grpcs(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _GRPC


def _level(record: logging.LogRecord) -> str:
    number = record.levelno
    if _is_grpcs(record):  # what it calls an error is one call that broke off
        number = min(number, logging.WARNING)
    for floor, name in _LEVEL_NAMES:
        if number >= floor:
            return name
    return "debug"


_LEVEL_NAMES = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


def _message(record: logging.LogRecord) -> str:
    """The first line of the text, and of that no more than the beginning."""
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001  # whatever the library passed, the others are logged
        return "a message that cannot be formatted"
    if _is_grpcs(record):  # in brackets is the path that was asked for, or a traceback
        text = text.partition("[")[0].rstrip(" :") or "a message about one call"
    # Redacted before it is cut: half a credential is not known as one.
    return redacted_text(text.partition("\n")[0])[:MAX_MESSAGE_CHARACTERS]


def _failure(record: logging.LogRecord) -> dict[str, Any]:
    error = record.exc_info[1] if record.exc_info else None
    return {} if error is None else {"failure": describe_exception(error)}


class StandardError(io.TextIOBase):
    """What libraries print is counted, with the exception that was handled; no text is kept."""

    def __init__(self, log: TextIO) -> None:
        super().__init__()
        self.log = log
        """Where log lines go."""

    def write(self, text: str) -> int:
        """A line tells that there was something, and which exception was being handled."""
        error = sys.exc_info()[1]
        _PRINTED.say(failure=None if error is None else describe_exception(error))
        return len(text)

    def writable(self) -> bool:
        """True."""
        return True

    def flush(self) -> None:
        """The log's lines are out."""
        self.log.flush()

    def fileno(self) -> int:
        """The log's descriptor. Raises OSError if it has none."""
        return self.log.fileno()


def redirect_standard_error() -> None:
    """From now on what is printed to standard error, or lost in a callback, is a log line.

    Only for a program of ours: an application's standard error is its own.
    """
    if not isinstance(sys.stderr, StandardError):
        sys.stderr = StandardError(sys.stderr)
    sys.unraisablehook = lambda lost: _lose(lost.exc_value)
    threading.excepthook = lambda lost: _lose(lost.exc_value)


def log_lost_exceptions(loop: asyncio.AbstractEventLoop) -> None:
    """Errors that nobody awaited are logged as class and place, without any repr."""

    def log(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        _lose(error if isinstance(error, BaseException) else None)

    loop.set_exception_handler(log)


def _lose(error: BaseException | None) -> None:
    _LOST.say(failure=None if error is None else describe_exception(error))
