"""Logs: one JSON object a line, redacted before anything else happens to it.

- Most lines are plain (chassis/redaction.py): they are written as they were said. Any other is
  taken apart field by field, and comes out the same as a plain one would.
- Lines of the libraries (uvicorn, grpc, asyncio) go the same way as our own.
- A record is written at every setting of the level.
- Exceptions are logged as class and place, without text (chassis/redaction.py).
"""

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import MutableMapping
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

__all__ = [
    "Rendering",
    "bind_request_id",
    "configure_logging",
    "current_request_id",
    "lines_written",
    "log_lost_exceptions",
    "present_rendering",
    "record",
]

_Event = MutableMapping[str, Any]
# ASCII only: half a surrogate in a text would otherwise fail when it is written.
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=lambda value: type(value).__name__)
_PLAIN_ENCODER = msgspec.json.Encoder()
_LEVELS = {"warn": "warning", "exception": "error"}
# Lines that repeat what is logged already, or are of no use to an operator.
_QUIET_LOGGERS = ("httpx2", "httpcore2", "uvicorn.access", "uvicorn.error", "asyncio")


def configure_logging(service: str, level: LogLevel, stream: TextIO, **process: int) -> None:
    """From now on everything logged goes to `stream`, at `level` (`INFO`, …) and above.

    Every line bears `process`: what tells this process from others of the same service.
    """
    heading: dict[str, Any] = {"service": service, **process}
    threshold = logging.getLevelNamesMapping()[level]
    rendering = Rendering(heading, threshold, _Lines(stream))
    structlog.configure(
        processors=[rendering],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        context_class=dict,
        logger_factory=lambda *_names: rendering.lines,
        cache_logger_on_first_use=False,
    )
    _route_libraries(stream, threshold, heading)


def _plain_line(fields: dict[str, Any]) -> str | None:
    """The fields in JSON, if they are plain and none looks like a credential; else None."""
    plain = plain_fields(fields)
    if plain is None:
        return None
    try:
        line = _PLAIN_ENCODER.encode(plain)
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
        self._together: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # which will write them

    def together(self, line: str) -> None:
        """The line is written before the next turn of the loop, with all others of this one."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.msg(line)
            return
        if not self._together or loop is not self._loop:  # one that has ended writes nothing
            loop.call_soon(self._write_together)
            self._loop = loop
        self._together.append(line)

    def _write_together(self) -> None:
        lines, self._together = self._together, []
        if lines:
            self.msg("\n".join(lines))

    def msg(self, line: str) -> None:
        with self._lock:
            try:  # a context manager for this would cost every line
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass

    debug = info = warning = error = critical = exception = fatal = msg


class Rendering:
    """What makes a line of an event, as structlog's one processor, and where it goes."""

    __slots__ = ("_clock", "heading", "lines", "threshold")

    def __init__(self, heading: dict[str, Any], threshold: int, lines: _Lines) -> None:
        self.heading, self.threshold, self.lines = heading, threshold, lines
        self._clock = _Timestamps()

    def __call__(self, _logger: object, method: str, event: _Event) -> str:
        """The line, without its end. An event is the line's own: it may be written to."""
        event["level"] = _LEVELS.get(method, method)
        request_id = current_request_id()
        if request_id is not None:
            event.setdefault("request_id", request_id)
        event["timestamp"] = self._clock.now()
        return self._line(_described(event))

    def start(self, event: _Event) -> str:
        """What every line begins with that has all of this, up to what else it has."""
        return self._line(event)[:-1] + ","

    def rest(self, fields: dict[str, Any]) -> str | None:
        """What a line ends with that has these fields besides; None if they are not plain.

        Looking for credentials in a part of a line at a time finds all: they are redacted
        within one text, and no text is in two parts.
        """
        request_id = current_request_id()
        if request_id is not None:
            fields = {**fields, "request_id": request_id}
        part = _plain_line(fields)
        if part is None:
            return None
        comma = "," if fields else ""
        return f'{part[1:-1]}{comma}"timestamp":"{self._clock.now()}"}}'

    def _line(self, event: _Event) -> str:
        plain = _plain_line({**self.heading, **event})
        return plain or _ENCODER.encode(self.heading | _redacted(event))


def record(event: str, level: LogLevel = LogLevel.INFO, /, **fields: Any) -> None:
    """The line is written at every setting of the level.

    For what an operator looks up afterwards: who was allowed or refused what, what was written
    or erased, when a process served. That must not depend on how much else is logged.
    """
    rendering, method = present_rendering(), level.lower()
    if rendering is None:
        getattr(structlog.get_logger(__name__), method)(event, **fields)
    else:
        rendering.lines.msg(rendering(None, method, {**fields, "event": event}))


async def lines_written() -> None:
    """What was said in this turn of the event loop has been written.

    The loop does what it is asked in the order asked, and was asked to write before this.
    """
    await asyncio.sleep(0)


def present_rendering() -> Rendering | None:
    """What makes our lines as of now; None where structlog does something else with them."""
    processors = structlog.get_config()["processors"]
    if len(processors) == 1 and isinstance(processors[0], Rendering):
        return processors[0]
    return None


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
