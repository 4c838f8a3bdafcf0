"""The id under which every process logs one request."""

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_ID_KEY = "x-request-id"

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# An id need be no secret, only another one each time: the process's own half is random, the
# other counts. Randomness for each would cost a system call for each.
_PROCESS = os.urandom(8).hex()
_numbers = itertools.count()


def accepted_or_new(candidate: str | None) -> str:
    """The candidate if it is 1 to 64 of `A-Za-z0-9._-`; else a new id."""
    if candidate is not None and _ACCEPTED.fullmatch(candidate):
        return candidate
    return f"{_PROCESS}{next(_numbers):016x}"


def current_request_id() -> str | None:
    """The id of the request that is being served, if any."""
    return _request_id.get()


def set_request_id(request_id: str) -> None:
    """From now on, in this task, every log line and every call to a peer carries the id."""
    _request_id.set(request_id)


@contextmanager
def bind_request_id(request_id: str) -> Iterator[None]:
    """Inside the block every log line and every call to a peer carries the id."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)
