"""What requests may take whose credential no service has accepted of late.

Such a request may be a stranger's: its body keeps a place, and its credential costs a service
the check of a signature. One source of them has a part of the places and so many refusals in a
second; all of them together leave places to callers who are known.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from typing import NoReturn

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    KnownError,
    NotFoundError,
    ResourceExhaustedError,
    UnauthenticatedError,
)
from chassis.sensitive import Sensitive
from chassis.source_address import source_of
from gateway.errors import HttpError

KNOWN_SECONDS = 300.0
"""How long a credential counts as known after a service has accepted it."""
MOST_KNOWN = 10_000
MOST_SOURCES = 10_000
BURST_SECONDS = 2.0
"""So many seconds' refusals may come at once."""
ACCEPTED = (NotFoundError, AlreadyExistsError, ConflictError)
"""What is only said to a caller whose credential a service has accepted."""
PLACES = "strangers"
REFUSALS = "refused_credentials"


@dataclass(frozen=True, slots=True)
class StrangerBounds:
    """`per_source` of the places at a time, `together` for all, refusals in a second."""

    together: int
    per_source: int
    refusals_per_second: float
    """0 is for no bound on one source: a proxy, which stands for all its clients."""
    refusals_together: float = 100.0
    """Of all sources: as many as a service verifies for one address, which all of them have
    there. With five times as many the gateway would be a source of floods to the services
    (chassis/flood_detector.py)."""


@dataclass(slots=True)
class _Allowance:
    """Of refusals, earned by the second."""

    per_second: float
    left: float
    counted_at: float
    requests: int = 0

    def earn(self, now: float) -> None:
        earned = (now - self.counted_at) * self.per_second
        self.left = min(self.per_second * BURST_SECONDS, self.left + earned)
        self.counted_at = now


class Strangers:
    """Bounds them, and remembers digests of the credentials that were accepted."""

    def __init__(
        self,
        bounds: StrangerBounds,
        *,
        refused: Callable[[str], None] = lambda _reason: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds, self._refused, self._now = bounds, refused, now
        self._key = token_bytes(16)  # no digest outlives the process or means anything outside
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._sources: OrderedDict[str, _Allowance] = OrderedDict()
        self._together = self._full(bounds.refusals_together)
        self._requests = 0

    @contextmanager
    def request(self, host: str, token: Sensitive[str]) -> Iterator["Introduction"]:
        """One request from there. Raises ResourceExhaustedError: a stranger's is one too many.

        Whoever learns inside that the credential is accepted tells the introduction.
        """
        credential = blake2b(token.reveal().encode(), digest_size=16, key=self._key).digest()
        introduction = Introduction(self, credential, self._enter(host, credential))
        cost = 1.0
        try:
            yield introduction
        except UnauthenticatedError:
            self._known.pop(credential, None)
            raise
        except ACCEPTED:
            introduction.accept()
            raise
        except (KnownError, HttpError):
            cost = 0.0  # whatever it was, the credential was not refused
            raise
        finally:
            introduction.leave(cost)

    def _enter(self, host: str, credential: bytes) -> _Allowance | None:
        """Where the request counts; None for a caller who is known."""
        if self._now() < self._known.get(credential, 0.0):
            return None
        source = self._source(source_of(host))
        self._together.earn(self._now())
        bounded = self._bounds.refusals_per_second > 0
        if self._together.left < 1 or (bounded and source.left < 1):
            self._refuse(REFUSALS)
        if bounded and source.requests >= self._bounds.per_source:
            self._refuse(PLACES)
        if self._requests >= self._bounds.together:
            self._refuse(PLACES)
        source.requests += 1
        self._requests += 1
        return source

    def _refuse(self, reason: str) -> NoReturn:
        self._refused(reason)
        raise ResourceExhaustedError

    def _full(self, per_second: float) -> _Allowance:
        return _Allowance(per_second, per_second * BURST_SECONDS, self._now())

    def _source(self, name: str) -> _Allowance:
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = self._full(self._bounds.refusals_per_second)
        source.earn(self._now())
        self._sources.move_to_end(name)
        if len(self._sources) > MOST_SOURCES:
            self._sources.popitem(last=False)
        return source

    def leave(self, source: _Allowance, cost: float) -> None:
        """A stranger's request is over; `cost` is what it takes of the allowances."""
        source.requests -= 1
        source.left -= cost
        self._together.left -= cost
        self._requests -= 1

    def remember(self, credential: bytes) -> None:
        """The credential is known for a while."""
        self._known[credential] = self._now() + KNOWN_SECONDS
        self._known.move_to_end(credential)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


class Introduction:
    """Of one request's caller."""

    def __init__(
        self, strangers: Strangers, credential: bytes, source: _Allowance | None
    ) -> None:
        self._strangers, self._credential, self._source = strangers, credential, source

    def accept(self) -> None:
        """A service has accepted the credential: the caller is known from here on."""
        self._strangers.remember(self._credential)
        self.leave(0.0)

    def leave(self, cost: float) -> None:
        """The request does not count as a stranger's any more."""
        if self._source is not None:
            self._strangers.leave(self._source, cost)
            self._source = None
