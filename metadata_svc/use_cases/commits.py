"""Waking those who wait for a namespace's next write.

A write through this process is told at once; one through another process is seen by the next
poll, one statement for all namespaces that somebody waits for. Waking is a hint only: who is
woken reads what happened, and may find nothing.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from metadata_svc.ports.changes import Counters


@dataclass(slots=True, eq=False)
class Waiting:
    """The writes of one namespace, for all who wait for them."""

    watchers: int = 0
    counter: int | None = None
    next_write: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Who holds the present event is woken; from now on there is another."""
        self.next_write.set()
        self.next_write = asyncio.Event()


class Commits:
    """Who waits for which namespace."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}

    @contextmanager
    def of(self, namespace: str) -> Iterator[Waiting]:
        """Inside the block writes of the namespace set `next_write`.

        Take the event first, then read what happened, then wait for it: nothing is missed.
        """
        waiting = self._waiting.setdefault(namespace, Waiting())
        waiting.watchers += 1
        try:
            yield waiting
        finally:
            waiting.watchers -= 1
            if not waiting.watchers:
                del self._waiting[namespace]

    @property
    def watchers(self) -> int:
        """How many wait, over all namespaces."""
        return sum(waiting.watchers for waiting in self._waiting.values())

    def announce(self, namespaces: Iterable[str]) -> None:
        """Something may have been written there."""
        for namespace in namespaces:
            if waiting := self._waiting.get(namespace):
                waiting.wake()

    async def poll(self, counters: Counters) -> None:
        """Who waits for a namespace that was written to since the last poll is awake.

        Raises UnavailableError.
        """
        if not self._waiting:
            return
        now = await counters.counters(sorted(self._waiting))
        for namespace, counter in now.items():
            waiting = self._waiting.get(namespace)
            if waiting is not None and waiting.counter != counter:
                waiting.counter = counter
                waiting.wake()
