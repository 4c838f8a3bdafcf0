"""One log line: JSON, redacted, never longer than its bound, and written at once.

- Most lines are plain (chassis/redaction.py): they are written as they were said. Any other is
  taken apart field by field, and comes out the same as a plain one would.
- A record is written at every setting of the level.
- A line that would be too long loses its longest fields, and says of each how long it was.
"""

import asyncio
import json
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
from chassis.request_id import current_request_id

MAX_LINE_BYTES = 65_536
"""Of one line with its end, whatever is logged: log collectors split or drop longer ones."""

_Event = MutableMapping[str, Any]
# ASCII only: half a surrogate in a text would otherwise fail when it is written.
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=lambda value: type(value).__name__)
_PLAIN_ENCODER = msgspec.json.Encoder()
_LEVELS = {"warn": "warning", "exception": "error"}
_LEFT_OUT = "(left out: {} bytes)"


class Lines:
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
        """The line is written now."""
        with self._lock:
            try:  # a context manager for this would cost every line
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass

    debug = info = warning = error = critical = exception = fatal = msg


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


class Rendering:
    """What makes a line of an event, as structlog's one processor, and where it goes."""

    __slots__ = ("_clock", "heading", "lines", "threshold")

    def __init__(self, heading: dict[str, Any], threshold: int, lines: Lines) -> None:
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
        line = plain or _ENCODER.encode(self.heading | _redacted(event))
        return line if fits(line) else self._shortened(_redacted(event))

    def _shortened(self, event: dict[str, Any]) -> str:
        """The line without the values of as many fields, longest first, as it takes to fit."""
        sizes = {name: len(_ENCODER.encode(value)) for name, value in event.items()}
        shown = self.heading | event
        for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
            shown[name] = _LEFT_OUT.format(sizes[name])
            if fits(line := _ENCODER.encode(shown)):
                return line
        return _ENCODER.encode(shown)


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


def fits(line: str) -> bool:
    """Whether a line of ASCII, here without its end, is as short as it must be."""
    return len(line) < MAX_LINE_BYTES


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
