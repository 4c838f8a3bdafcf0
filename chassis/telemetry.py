"""Logs: one JSON object a line, redacted before anything else happens to it.

- Most lines are plain (chassis/redaction.py): they are written as they were said. Any other is
  taken apart field by field, and comes out the same as a plain one would.
- Lines of the libraries (uvicorn, grpc, asyncio) go the same way as our own.
- Exceptions are logged as class and place, without text (chassis/redaction.py).
"""

import asyncio
import contextlib
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog

from chassis.log_level import LogLevel
from chassis.redaction import (
    describe_exception,
    is_suspicious,
    plain_fields,
    redacted,
    redacted_text,
)
from chassis.request_id import bind_request_id, current_request_id

__all__ = ["bind_request_id", "configure_logging", "current_request_id", "log_lost_exceptions"]

_Event = MutableMapping[str, Any]
# ASCII only: half a surrogate in a text would otherwise fail when it is written.
_ENCODER = json.JSONEncoder(default=lambda value: type(value).__name__)
_PLAIN_ENCODER = msgspec.json.Encoder()
_LEVELS = {"warn": "warning", "exception": "error"}
# Lines that repeat what is logged already, or are of no use to an operator.
_QUIET_LOGGERS = ("httpx2", "httpcore2", "uvicorn.access", "asyncio")


def configure_logging(service: str, level: LogLevel, stream: TextIO, **process: int) -> None:
    """From now on everything logged goes to `stream`, at `level` (`INFO`, …) and above.

    Every line bears `process`: what tells this process from others of the same service.
    """
    heading: dict[str, Any] = {"service": service, **process}
    threshold = logging.getLevelNamesMapping()[level]
    lines = _Lines(stream)
    structlog.configure(
        processors=[_renderer(heading)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        context_class=dict,
        logger_factory=lambda *_names: lines,
        cache_logger_on_first_use=False,
    )
    _route_libraries(stream, threshold, heading)


def _renderer(heading: dict[str, Any]) -> Callable[[object, str, _Event], str]:
    clock = _Timestamps()

    def render(_logger: object, method: str, event: _Event) -> str:
        """The line, without its end. An event is the line's own: it may be written to."""
        event["level"] = _LEVELS.get(method, method)
        request_id = current_request_id()
        if request_id is not None:
            event.setdefault("request_id", request_id)
        event["timestamp"] = clock.now()
        plain = None if "exc_info" in event else plain_fields(event)
        line = None if plain is None else _plain_line(heading | plain)
        return line or _ENCODER.encode(heading | _redacted(_described(event)))

    return render


def _plain_line(fields: dict[str, Any]) -> str | None:
    """The fields in JSON, if nothing in them looks like a credential; else None."""
    try:
        line = _PLAIN_ENCODER.encode(fields)
    except (UnicodeEncodeError, OverflowError):  # half a surrogate; a number beyond 64 bits
        return None
    return None if is_suspicious(line) else line.decode("ascii")


class _Timestamps:
    """The present moment as ISO 8601 in UTC; what stays the same for a second is kept."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def now(self) -> str:
        """E.g. `2026-11-23T18:30:44.000123Z`."""
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._text}.{rest // 1000:06d}Z"


class _Lines:
    """Writes lines. A stream that is closed or full loses them: logging fails no request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def msg(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = fatal = msg


def _route_libraries(stream: TextIO, threshold: int, heading: dict[str, Any]) -> None:
    def prepared(_logger: object, _method: str, event: _Event) -> _Event:
        request_id = current_request_id()
        named = {} if request_id is None else {"request_id": request_id}
        return {**heading, **_redacted({**named, **_described(event)})}

    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                _name_logger,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                prepared,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


def log_lost_exceptions(loop: asyncio.AbstractEventLoop) -> None:
    """Errors that nobody awaited are logged as class and place, without any repr."""

    def log(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        described = describe_exception(error) if isinstance(error, BaseException) else None
        structlog.get_logger("asyncio").error("error that nobody awaited", failure=described)

    loop.set_exception_handler(log)


def _name_logger(_logger: object, _method: str, event: _Event) -> _Event:
    record = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    return event


def _described(event: _Event) -> _Event:
    """The event with its exception as class and place."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple):
        info = info[1]
    elif info and not isinstance(info, BaseException):
        info = sys.exc_info()[1]
    if isinstance(info, BaseException):
        event["failure"] = describe_exception(info)
    return event


def _redacted(event: _Event) -> dict[str, Any]:
    shown = {
        # Names with an underscore in front are structlog's own.
        name: value if name.startswith("_") else redacted(name, value)
        for name, value in event.items()
    }
    shown["event"] = redacted_text(str(event.get("event", "")))
    return shown


def _render(_logger: object, _method: str, event: _Event) -> str:
    return _ENCODER.encode(event)
