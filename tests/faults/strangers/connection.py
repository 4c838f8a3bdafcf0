"""One connection of a stranger's: TLS and HTTP/2, and then whatever he likes to send."""

import asyncio
import os
import struct
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Self

from tests.integration.chassis.raw_http2 import ACK, PREFACE, SETTINGS, frame, tls_context

HOST = "127.0.0.1"
# Of this process, another one than a polite caller's and than that of the attack before.
OWN_ADDRESS = (f"127.1.{os.getpid() // 256 % 256}.{os.getpid() % 256}", 0)
PATIENCE_SECONDS = 5.0
CONTEXT = tls_context()


class _Discarding(asyncio.Protocol):
    """Reads and forgets; knows that something came, whether it may write, and the end."""

    def __init__(self) -> None:
        self.came, self.may_write, self.ended = (asyncio.Event() for _ in range(3))
        self.may_write.set()

    def data_received(self, _data: bytes) -> None:
        self.came.set()

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()

    def connection_lost(self, _error: Exception | None) -> None:
        for event in (self.came, self.may_write, self.ended):
            event.set()


class Connection:
    """An open one. Its writes wait for the server to read."""

    def __init__(self, transport: asyncio.Transport, protocol: _Discarding) -> None:
        self.transport, self._protocol = transport, protocol
        self.streams: Iterator[int] = count(1, 2)

    @classmethod
    async def to(
        cls, port: int, *, settings: Mapping[int, int], acknowledge: bool, read: bool
    ) -> Self:
        """HTTP/2 has begun. Raises OSError, TimeoutError, or EOFError.

        Without `acknowledge` the server never learns that its SETTINGS have come; without
        `read` nothing is read from now on.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            made = cls(
                *await loop.create_connection(
                    _Discarding, HOST, port, ssl=CONTEXT, local_addr=OWN_ADDRESS
                )
            )
        pairs = [struct.pack(">HI", *pair) for pair in settings.items()]
        made.transport.write(PREFACE + frame(SETTINGS, 0, 0, b"".join(pairs)))
        if acknowledge:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await made._protocol.came.wait()
            await made.send(frame(SETTINGS, ACK, 0, b""))
        if not read:
            made.transport.pause_reading()
        return made

    async def send(self, data: bytes) -> None:
        """It is on its way. Raises EOFError once the server has closed the connection."""
        if self._protocol.ended.is_set():
            raise EOFError
        self.transport.write(data)
        await self._protocol.may_write.wait()
        await asyncio.sleep(0)

    async def held(self) -> None:
        """The server has closed it."""
        await self._protocol.ended.wait()
