"""An HTTP proxy that records what arrives, and an environment that names it for everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

SCHEMES = ("http", "https", "grpc", "all", "ws", "wss", "ftp", "socks")


def environment_of_proxy(port: int) -> dict[str, str]:
    """The variables that send everything to a proxy there, in both spellings."""
    named = {f"{scheme}_proxy": f"http://127.0.0.1:{port}" for scheme in SCHEMES}
    named |= {"no_proxy": "", "no_grpc_proxy": ""}
    return named | {name.upper(): value for name, value in named.items()}


class RecordingProxy:
    """Keeps the head of every connection. It opens the tunnels it is asked for."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0

    @property
    def environment(self) -> dict[str, str]:
        """See environment_of_proxy()."""
        return environment_of_proxy(self.port)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        head = await reader.read(65_536)
        self.heads.append(head.decode("latin-1"))
        try:
            if head.startswith(b"CONNECT "):
                host, _, port = head.split()[1].decode().rpartition(":")
                await self._tunnel(reader, writer, host, int(port))
        finally:
            writer.close()

    @staticmethod
    async def _tunnel(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
    ) -> None:
        from_peer, to_peer = await asyncio.open_connection(host, port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        both = [
            asyncio.ensure_future(_copy(reader, to_peer)),
            asyncio.ensure_future(_copy(from_peer, writer)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for copying in both:
                copying.cancel()
            to_peer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def recording_proxy() -> AsyncIterator[RecordingProxy]:
    proxy = RecordingProxy()
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy
