"""One log line for each request; of requests that strangers may have sent, so many a second.

- The line of a caller whose credential a service has accepted is always written. A write or a
  refusal is a record; reads are only worth a line.
- Of all others there are so many lines a second for each status, and a count of the rest
  (chassis/line_limit.py): anyone may send them, as fast as he likes.
"""

import structlog

from chassis.line_limit import LineLimit
from chassis.log_level import LogLevel
from chassis.telemetry import record
from gateway.edge.http_metrics import WATCH

READS = frozenset({"GET", "HEAD", "OPTIONS", WATCH})
REFUSALS = frozenset({401, 403})
EVENT = "request"

_log = structlog.get_logger("gateway")


class RequestLines:
    """Those of one process."""

    def __init__(self) -> None:
        self._limits: dict[tuple[int, bool], LineLimit] = {}

    def say(
        self, *, accepted: bool, method: str, route: str, status: int, seconds: float
    ) -> None:
        """The request has a line, or is counted with others of its status."""
        milliseconds = round(seconds * 1000, 3)
        told = {"method": method, "route": route, "status": status}
        kept = method not in READS or status in REFUSALS
        if not accepted:
            self._limit(status, kept).say(**told, duration_ms=milliseconds)
        elif kept:
            record("request", **told, duration_ms=milliseconds)
        else:
            _log.info("request", **told, duration_ms=milliseconds)

    def _limit(self, status: int, kept: bool) -> LineLimit:  # noqa: FBT001  # a part of a key
        limit = self._limits.get((status, kept))
        if limit is None:
            limit = self._limits[status, kept] = LineLimit(
                EVENT, LogLevel.INFO, is_record=kept, about=lambda: {"status": status}
            )
        return limit
