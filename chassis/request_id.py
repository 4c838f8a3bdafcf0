"""The id under which every process logs one request."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

REQUEST_ID_KEY = "x-request-id"

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FIELD = "request_id"


def accepted_or_new(candidate: str | None) -> str:
    """The candidate if it is 1 to 64 of `A-Za-z0-9._-`; else a new id."""
    if candidate is not None and _ACCEPTED.fullmatch(candidate):
        return candidate
    return os.urandom(16).hex()


def current_request_id() -> str | None:
    """The id of the request that is being served, if any."""
    value = structlog.contextvars.get_contextvars().get(_FIELD)
    return value if isinstance(value, str) else None


def set_request_id(request_id: str) -> None:
    """From now on, in this task, every log line and every call to a peer carries the id."""
    structlog.contextvars.bind_contextvars(**{_FIELD: request_id})


@contextmanager
def bind_request_id(request_id: str) -> Iterator[None]:
    """Inside the block every log line and every call to a peer carries the id."""
    with structlog.contextvars.bound_contextvars(**{_FIELD: request_id}):
        yield
