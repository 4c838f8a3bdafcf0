"""What is logged again and again with little changed: the rest is redacted and encoded once.

A phrase writes only what is plain (chassis/redaction.py). Everything else it says the way that
any line is said, so that the way makes no difference to the line.
"""

import logging
from typing import Any, NamedTuple

import structlog

from chassis.log_level import LogLevel
from chassis.telemetry import Rendering, present_rendering

_log = structlog.get_logger(__name__)
# What a line has of its own, or does not show under that name.
_OWN_NAMES = frozenset({"event", "level", "request_id", "timestamp", "exc_info"})


class _Start(NamedTuple):
    """How the lines begin as long as the rendering is the present one."""

    rendering: Rendering
    text: str
    names: frozenset[str]  # of what is in it, and of what every line has


class Phrase:
    """An event with those of its fields that are the same on every line."""

    __slots__ = ("_event", "_fields", "_method", "_severity", "_start")

    def __init__(self, level: LogLevel, event: str, **fields: Any) -> None:
        """Raises ValueError if a field is named like one that every line has."""
        if not _OWN_NAMES.isdisjoint(fields):
            raise ValueError("a field is named like one that every line has")
        self._event, self._fields = event, fields
        self._method = level.lower()
        self._severity = logging.getLevelNamesMapping()[level]
        self._start: _Start | None = None

    def say(self, **fields: Any) -> None:
        """One more line is said, with these fields besides, if lines of its level are.

        Where there is an event loop, all that phrases say in one turn of it is written at once:
        it has been once `telemetry.lines_written()` returns.
        """
        rendering = present_rendering()
        line = None if rendering is None else self._line(rendering, fields)
        if rendering is None or line is None:
            getattr(_log, self._method)(self._event, **self._fields, **fields)
        else:
            rendering.lines.together(line)

    def _line(self, rendering: Rendering, fields: dict[str, Any]) -> str | None:
        if self._severity < rendering.threshold:
            return None
        start = self._start
        if start is None or start.rendering is not rendering:
            start = self._start = self._started(rendering)
        if not start.names.isdisjoint(fields):
            return None
        rest = rendering.rest(fields)
        return None if rest is None else start.text + rest

    def _started(self, rendering: Rendering) -> _Start:
        event = {**self._fields, "event": self._event, "level": self._method}
        names = _OWN_NAMES.union(rendering.heading, self._fields)
        return _Start(rendering, rendering.start(event), names)
