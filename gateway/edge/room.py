"""How much is served at a time."""

import asyncio

from chassis.errors import ResourceExhaustedError


class Room:
    """So many places; whoever finds none is told to come again."""

    def __init__(self, capacity: int) -> None:
        self._free = asyncio.Semaphore(capacity)

    async def __aenter__(self) -> None:
        if self._free.locked():
            raise ResourceExhaustedError
        await self._free.acquire()

    async def __aexit__(self, *_error: object) -> None:
        self._free.release()
