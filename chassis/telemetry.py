"""Logs: one JSON object a line, redacted before anything else happens to it.

- How a line is made and written is in chassis/log_lines.py. Here is where the lines of a
  process go, and those of the libraries (uvicorn, grpc, asyncio) with them, in the same form.
- Exceptions are logged as class and place, without text (chassis/redaction.py).
"""

import logging
from typing import Any, TextIO

import structlog

from chassis.foreign_output import ForeignLines, StandardError
from chassis.log_level import LogLevel
from chassis.log_lines import (
    MAX_LINE_BYTES,
    Lines,
    Rendering,
    lines_written,
    present_rendering,
    record,
)
from chassis.request_id import bind_request_id, current_request_id

__all__ = [
    "MAX_LINE_BYTES",
    "bind_request_id",
    "configure_logging",
    "current_request_id",
    "lines_written",
    "present_rendering",
    "record",
]

# Lines that repeat what is logged already, or are of no use to an operator.
_QUIET_LOGGERS = ("httpx2", "httpcore2", "uvicorn.access", "uvicorn.error", "asyncio")


def configure_logging(service: str, level: LogLevel, stream: TextIO, **process: int) -> None:
    """From now on everything logged goes to `stream`, at `level` (`INFO`, …) and above.

    Every line bears `process`: what tells this process from others of the same service.
    """
    if isinstance(stream, StandardError):
        stream = stream.log
    heading: dict[str, Any] = {"service": service, **process}
    threshold = logging.getLevelNamesMapping()[level]
    rendering = Rendering(heading, threshold, Lines(stream))
    structlog.configure(
        processors=[rendering],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        context_class=dict,
        logger_factory=lambda *_names: rendering.lines,
        cache_logger_on_first_use=False,
    )
    _route_libraries(threshold)


def _route_libraries(threshold: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [ForeignLines()]
    root.setLevel(threshold)
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
