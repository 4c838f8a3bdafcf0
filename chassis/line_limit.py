"""Lines that a stranger can cause: so many a second of each kind are written, the rest counted.

Without a limit, anyone who can reach a port controls how fast the log grows, and can flush out
the lines that an operator needs. Lines about authenticated callers have no limit.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

import structlog

from chassis.log_level import LogLevel
from chassis.log_lines import record

LINES_PER_SECOND = 10
WINDOW_SECONDS = 1.0


class Allowance:
    """So many times a second, and how often it was more. May be used in any thread.

    `tell` is called with that number once the second is over, outside any request.
    """

    __slots__ = ("_count", "_lock", "_per_second", "_taken", "_tell", "_until")

    def __init__(self, per_second: int, tell: Callable[[int], None]) -> None:
        self._per_second, self._tell = per_second, tell
        self._lock = threading.Lock()
        self._until, self._taken, self._count = 0.0, 0, 0

    def take(self) -> bool:
        """Whether it is one of those allowed in this second."""
        now = time.monotonic()
        with self._lock:
            if now >= self._until and not self._count:
                self._until, self._taken = now + WINDOW_SECONDS, 0
            if self._taken < self._per_second:
                self._taken += 1
                return True
            self._count += 1
            if self._count == 1:
                _call_later(max(0.0, self._until - now), self._end)
            return False

    def _end(self) -> None:
        with self._lock:
            count, self._count = self._count, 0
        self._tell(count)


def _nothing_else() -> Mapping[str, Any]:
    return {}


class LineLimit:
    """The lines of one event, of which at most `per_second` + 1 are written in a second.

    The lines beyond `per_second` are counted. When the second is over, one more line of the
    event says how many they were (`count`), with what `about` returns then. With 0 lines a
    second there are only such counts.

    Lines of a record are written at every setting of the level. May be used in any thread.
    """

    __slots__ = ("_about", "_allowance", "_event", "_is_record", "_level")

    def __init__(
        self,
        event: str,
        level: LogLevel = LogLevel.WARNING,
        *,
        per_second: int = LINES_PER_SECOND,
        is_record: bool = False,
        about: Callable[[], Mapping[str, Any]] = _nothing_else,
    ) -> None:
        self._event, self._level, self._is_record = event, level, is_record
        self._about = about
        self._allowance = Allowance(per_second, self._tell)

    def say(self, **fields: Any) -> None:
        """The line is written, or counted if there have been enough in this second."""
        if self._allowance.take():
            self._write(fields)

    def _tell(self, count: int) -> None:
        self._write({"count": count, **self._about()})

    def _write(self, fields: Mapping[str, Any]) -> None:
        if self._is_record:
            record(self._event, self._level, **fields)
        else:
            logger = structlog.get_logger(__name__)
            getattr(logger, self._level.lower())(self._event, **fields)


def _call_later(seconds: float, work: Callable[[], None]) -> None:
    """The work is done after these seconds, by the event loop if there is one here.

    It belongs to no request: it is done in a context of its own.
    """
    try:
        asyncio.get_running_loop().call_later(seconds, work, context=Context())
    except RuntimeError:
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        timer.start()
