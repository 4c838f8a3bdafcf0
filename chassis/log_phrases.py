"""Records that are made again and again with little changed: the rest is encoded once.

A phrase is written at every setting of the level, as any record is (chassis/log_lines.py).

A phrase writes only what is plain (chassis/redaction.py). Everything else it says the way that
any line is said, so that the way makes no difference to the line.
"""

from typing import Any, NamedTuple

from chassis.log_level import LogLevel
from chassis.log_lines import Rendering, fits, present_rendering, record

# What a line has of its own, or does not show under that name.
_OWN_NAMES = frozenset({"event", "level", "request_id", "timestamp", "exc_info"})


class _Start(NamedTuple):
    """How the lines begin as long as the rendering is the present one."""

    rendering: Rendering
    text: str
    names: frozenset[str]  # of what is in it, and of what every line has


class Phrase:
    """An event with those of its fields that are the same on every line."""

    __slots__ = ("_event", "_fields", "_level", "_start")

    def __init__(self, level: LogLevel, event: str, **fields: Any) -> None:
        """Raises ValueError if a field is named like one that every line has."""
        if not _OWN_NAMES.isdisjoint(fields):
            raise ValueError("a field is named like one that every line has")
        self._event, self._fields = event, fields
        self._level = level
        self._start: _Start | None = None

    def say(self, **fields: Any) -> None:
        """One more line is said, with these fields besides.

        Where there is an event loop, all that phrases say in one turn of it is written at once:
        it has been once `lines_written()` returns.
        """
        rendering = present_rendering()
        line = None if rendering is None else self._line(rendering, fields)
        if rendering is None or line is None:
            record(self._event, self._level, **self._fields, **fields)
        else:
            rendering.lines.together(line)

    def _line(self, rendering: Rendering, fields: dict[str, Any]) -> str | None:
        start = self._start
        if start is None or start.rendering is not rendering:
            start = self._start = self._started(rendering)
        if not start.names.isdisjoint(fields):
            return None
        rest = rendering.rest(fields)
        line = None if rest is None else start.text + rest
        return line if line is not None and fits(line) else None

    def _started(self, rendering: Rendering) -> _Start:
        event = {**self._fields, "event": self._event, "level": self._level.lower()}
        names = _OWN_NAMES.union(rendering.heading, self._fields)
        return _Start(rendering, rendering.start(event), names)
