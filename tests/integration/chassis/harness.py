"""Starts real servers on free ports, over TLS, and opens channels to them."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import grpc

from chassis.accept_mode import AcceptMode
from chassis.caller import Caller
from chassis.grpc_client import open_channel
from chassis.grpc_server import EVERY_METHOD, GrpcServer, Port, Service, Tls
from chassis.identity import Authenticator
from chassis.in_flight import Limits
from chassis.metrics import Metrics
from chassis.sensitive import Sensitive
from tests.integration.chassis.certificates import Authority
from tests.integration.chassis.echo import (
    NAME,
    Answer,
    EchoServicer,
    add_echo_servicer_to_server,
)

PATIENCE_SECONDS = 20.0
_LIMITS = frozenset(field.name for field in fields(Limits))


class Harness:
    """Starts echo servers and opens channels; everything ends with the test."""

    def __init__(
        self,
        folder: Path,
        stack: AsyncExitStack,
        accept_mode: AcceptMode = AcceptMode.AUTO,
    ) -> None:
        self.folder, self._stack, self.accept_mode = folder, stack, accept_mode
        self.authority = Authority(folder)
        self.metrics = Metrics()
        pair = self.authority.issue("localhost", "127.0.0.1", file="server")
        self.tls = Tls(pair.certificate, pair.private_key)

    async def serve(
        self,
        answer: Answer,
        *,
        peers: frozenset[str] | None = None,
        by_token: bool = False,
        **bounds: Any,
    ) -> int:
        servicer = EchoServicer(answer)
        service = echo_service(servicer, peers=peers, by_token=by_token)
        _, number = await self.start(service, **bounds)
        return number

    async def start(self, service: Service, **bounds: Any) -> tuple[GrpcServer, int]:
        readiness = bounds.pop("readiness", None)
        limits = Limits(**{key: bounds.pop(key) for key in _LIMITS & bounds.keys()})
        port = Port(
            "127.0.0.1:0",
            self.tls,
            (service,),
            bounds.pop("authenticator", Authenticator(AnyToken())),
            accept_mode=self.accept_mode,
            flood_block_seconds=0,  # all clients of a test have one address
            limits=limits,
        )
        port = replace(port, **bounds)
        server = GrpcServer(port, frozenset({service.name}), self.metrics, readiness)
        number = await server.start()
        self._stack.push_async_callback(server.stop, 0)
        return server, number

    def ended(self, server: GrpcServer) -> None:
        """The server ends with the test."""
        self._stack.push_async_callback(server.stop, 0)

    async def channel(self, port: int, **options: Any) -> grpc.aio.Channel:
        channel = open_channel(f"127.0.0.1:{port}", ca=self.authority.certificate, **options)
        return await self._stack.enter_async_context(channel)


def echo_service(
    servicer: object, *, peers: frozenset[str] | None = None, by_token: bool = False
) -> Service:
    """For everyone, or for the callers whose tokens name them."""
    without_token = () if by_token else EVERY_METHOD
    return Service(
        NAME, add_echo_servicer_to_server, servicer, peers, without_token=without_token
    )


class AnyToken:
    """Accepts every token, and takes it for its caller's name."""

    def remembered(self, token: Sensitive[str]) -> Caller | None:
        return _named(token.reveal())

    async def verify(self, token: Sensitive[str]) -> Caller:
        return _named(token.reveal())


def _named(subject: str) -> Caller:
    return Caller(
        subject=subject,
        namespace="*",
        roles=frozenset(),
        grants=(),
        permissions=frozenset(),
        service_identities=(),
        for_user=False,
        issuer="https://issuer.invalid",
        token_id="",
    )


async def until(holds: Callable[[], bool]) -> None:
    """It holds. Raises TimeoutError if it does not soon."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  # nobody tells that it changed
            await asyncio.sleep(0.01)
