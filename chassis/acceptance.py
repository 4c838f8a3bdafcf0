"""Whether a service has accepted the credential of the request that is being served.

Who only passes credentials on learns it from the answers: until then it serves a stranger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Acceptance:
    """Of one request, and of every task that serves it."""

    given: bool = False


_present: ContextVar[Acceptance | None] = ContextVar("acceptance", default=None)


@contextmanager
def awaited_acceptance() -> Iterator[Acceptance]:
    """Inside the block, what is yielded tells whether a service has accepted a credential."""
    acceptance = Acceptance()
    token = _present.set(acceptance)
    try:
        yield acceptance
    finally:
        _present.reset(token)


def note_acceptance() -> None:
    """A service has accepted the credential that it was sent."""
    acceptance = _present.get()
    if acceptance is not None:
        acceptance.given = True
