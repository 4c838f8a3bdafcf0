"""What an attack is: something that is done over and over, on many connections at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from tests.faults.strangers.connection import Connection

RETRY_SECONDS = 0.05
# What ends a connection that the server has had enough of, or does not take.
GONE = (OSError, EOFError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Target:
    """A port, and a token that looks like those which it takes."""

    port: int
    token: str = ""


Once: TypeAlias = Callable[[Target], Awaitable[None]]
Act: TypeAlias = Callable[[Connection, Target], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Attack:
    """`once` lasts until the server ends it; it raises one of GONE, or nothing."""

    once: Once
    connections: int = 1  # at a time
    port: str = "vault"  # whose client port has what it asks for

    async def run(self, target: Target, *, times: float) -> None:
        """It goes on until it is cancelled, on so many `times` the connections."""
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, round(self.connections * times))):
                group.create_task(self._again(target))

    async def _again(self, target: Target) -> None:
        while True:
            with suppress(*GONE):
                await self.once(target)
            await asyncio.sleep(RETRY_SECONDS)


def over_http2(
    act: Act,
    *,
    settings: Mapping[int, int] | None = None,
    acknowledge: bool = True,
    read: bool = True,
) -> Once:
    """`act` on a connection on which HTTP/2 has begun (see Connection.to)."""

    async def once(target: Target) -> None:
        connection = await Connection.to(
            target.port, settings=settings or {}, acknowledge=acknowledge, read=read
        )
        try:
            await act(connection, target)
        finally:
            connection.transport.abort()

    return once


def flood(block: Callable[[], bytes] | bytes) -> Act:
    """The same bytes without end, or those that are made for each turn."""

    async def act(connection: Connection, _target: Target) -> None:
        while True:
            await connection.send(block if isinstance(block, bytes) else block())

    return act
