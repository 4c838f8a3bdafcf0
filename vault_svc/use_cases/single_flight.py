"""One piece of work at a time for each key, shared by all who want it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from chassis import deadline

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Whoever asks while work for the same key is under way gets that work's outcome.

    Other keys are not held up. The work goes on when one who waits for it gives up, and is not
    bound to the deadline of whoever asked first.
    """

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """The outcome of the work. Raises what the work raises."""
        flight = self._flights.get(key)
        # One that has ended and not yet landed is over: waiting for it would not even yield.
        if flight is None or flight.done():
            with deadline.unbound():
                flight = asyncio.create_task(_run(work))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    def _land(self, key: K, flight: asyncio.Task[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # seen, even if all who waited have left


async def _run(work: Callable[[], Awaitable[V]]) -> V:
    return await work()
