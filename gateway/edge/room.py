"""How much is served at a time."""

import asyncio
from collections.abc import Callable

from chassis.errors import ResourceExhaustedError

FULL = "requests"


class Room:
    """So many places; whoever finds none is told to come again."""

    def __init__(
        self, capacity: int, *, refused: Callable[[str], None] = lambda _reason: None
    ) -> None:
        self.capacity = capacity
        self._free = asyncio.Semaphore(capacity)
        self._refused = refused

    async def __aenter__(self) -> None:
        if self._free.locked():
            self._refused(FULL)
            raise ResourceExhaustedError
        await self._free.acquire()

    async def __aexit__(self, *_error: object) -> None:
        self._free.release()
