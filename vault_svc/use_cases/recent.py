"""Things worth remembering for a while: bounded in number and in time."""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from chassis.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `limit` entries, the least recently used dropped first, none for too long."""

    def __init__(self, clock: Clock, *, limit: int, lifetime_seconds: float) -> None:
        self._clock = clock
        self._limit = limit
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._entries: OrderedDict[K, tuple[V, datetime]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The entry, unless it was dropped or has outlived its time."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at = entry
        if self._clock.now() >= expires_at:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """The entry is remembered from now on."""
        self._entries[key] = (value, self._clock.now() + self._lifetime)
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """The entry is forgotten, if there was one."""
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
