"""Logs: one JSON object a line, redacted before anything else happens to it.

- Lines of the libraries (uvicorn, grpc, asyncio) go the same way as our own.
- Exceptions are logged as class and place, without text (chassis/redaction.py).
"""

import asyncio
import contextlib
import json
import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from chassis.log_level import LogLevel
from chassis.redaction import describe_exception, redacted, redacted_text
from chassis.request_id import bind_request_id, current_request_id

__all__ = ["bind_request_id", "configure_logging", "current_request_id", "log_lost_exceptions"]

_Event = MutableMapping[str, Any]
# ASCII only: half a surrogate in a text would otherwise fail when it is written.
_ENCODER = json.JSONEncoder(default=lambda value: type(value).__name__)
# Lines that repeat what is logged already, or are of no use to an operator.
_QUIET_LOGGERS = ("httpx2", "httpcore2", "uvicorn.access", "asyncio")


def configure_logging(service: str, level: LogLevel, stream: TextIO) -> None:
    """From now on everything logged goes to `stream`, at `level` (`INFO`, …) and above."""

    def name_service(_logger: object, _method: str, event: _Event) -> _Event:
        return {"service": service, **event}

    threshold = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _replace_exception,
        _redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
    ]
    lines = _Lines(stream)
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_names: lines,
        cache_logger_on_first_use=False,
    )
    _route_libraries(stream, threshold, shared)


class _Lines:
    """Writes lines. A stream that is closed or full loses them: logging fails no request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def msg(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = fatal = msg


def _route_libraries(stream: TextIO, threshold: int, shared: list[Any]) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_logger, *shared],
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


def _replace_exception(_logger: object, _method: str, event: _Event) -> _Event:
    info = event.pop("exc_info", None)
    if isinstance(info, tuple):
        info = info[1]
    elif info and not isinstance(info, BaseException):
        info = sys.exc_info()[1]
    if isinstance(info, BaseException):
        event["failure"] = describe_exception(info)
    return event


def _redact(_logger: object, _method: str, event: _Event) -> _Event:
    for name in list(event):
        if not name.startswith("_"):  # structlog's own
            event[name] = redacted(name, event[name])
    event["event"] = redacted_text(str(event.get("event", "")))
    return event


def _render(_logger: object, _method: str, event: _Event) -> str:
    return _ENCODER.encode(event)
