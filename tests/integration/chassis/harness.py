"""Starts real servers on free ports, over TLS, and opens channels to them."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc

from chassis.grpc_client import open_channel
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.metrics import Metrics
from tests.integration.chassis.certificates import Authority
from tests.integration.chassis.echo import (
    NAME,
    Answer,
    EchoServicer,
    add_echo_servicer_to_server,
)

PATIENCE_SECONDS = 20.0


class Harness:
    """Starts echo servers and opens channels; everything ends with the test."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.authority = Authority(folder)
        self.metrics = Metrics()
        pair = self.authority.issue("localhost", "127.0.0.1", file="server")
        self.tls = Tls(pair.certificate, pair.private_key)

    async def serve(
        self, answer: Answer, *, peers: frozenset[str] | None = None, **bounds: Any
    ) -> int:
        service = Service(NAME, add_echo_servicer_to_server, EchoServicer(answer), peers)
        _, number = await self.start(service, **bounds)
        return number

    async def start(self, service: Service, **bounds: Any) -> tuple[GrpcServer, int]:
        port = replace(Port("127.0.0.1:0", self.tls, (service,)), **bounds)
        server = GrpcServer(port, frozenset({service.name}), self.metrics)
        number = await server.start()
        self._stack.push_async_callback(server.stop, 0)
        return server, number

    def ended(self, server: GrpcServer) -> None:
        """The server ends with the test."""
        self._stack.push_async_callback(server.stop, 0)

    async def channel(self, port: int, **options: Any) -> grpc.aio.Channel:
        channel = open_channel(f"127.0.0.1:{port}", ca=self.authority.certificate, **options)
        return await self._stack.enter_async_context(channel)


async def until(holds: Callable[[], bool]) -> None:
    """It holds. Raises TimeoutError if it does not soon."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  # nobody tells that it changed
            await asyncio.sleep(0.01)
