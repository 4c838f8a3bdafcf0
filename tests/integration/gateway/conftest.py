"""The real gateway over TLS, in front of real gRPC servers with services in memory."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from chassis.clock import SystemClock
from chassis.connection_slots import ConnectionSlots
from chassis.grpc_client import open_channel
from chassis.grpc_health import PeerHealth
from chassis.grpc_server import GrpcServer, Port, Service
from chassis.http_server import HttpServer, Protocols
from chassis.line_limit import WINDOW_SECONDS
from chassis.metrics import Metrics
from chassis.readiness import Readiness
from chassis.tls_files import CurrentTls, Tls
from gateway.app import make_app
from gateway.clients.access import AccessClient
from gateway.clients.keepers import KeepersClient
from gateway.clients.secure_values import METADATA_SERVICE, VAULT_SERVICE, SecureValuesClient
from gateway.discovery.served import discovery_paths
from gateway.edge.connection import BoundedConnection, ConnectionBounds
from gateway.edge.http_metrics import HttpMetrics
from gateway.edge.room import Room
from gateway.edge.strangers import StrangerBounds, Strangers
from gateway.edge.websocket import WatchConnection
from gateway.health import Health
from gateway.openapi.served import openapi_paths
from gateway.page import page_paths
from gateway.resources.event_streams import Streaming
from gateway.reviews.answers import Reviews
from gateway.routes import keeper_verbs, review_verbs, secure_value_verbs
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf
from splitkeep.local.ports import LOOPBACK
from tests.fakes.gateway.services import ADMIN, Store, metadata_services, vault_services

BASE = "/apis/secret.grafana.app/v1beta1"
VALUES = f"{BASE}/namespaces/default/securevalues"
KEEPERS = f"{BASE}/namespaces/default/keepers"
BOUNDS = ConnectionBounds(head_seconds=0.5, write_seconds=1.0)
CONNECTIONS = 20
PLACES = 8
NO_STRANGERS = StrangerBounds(
    together=PLACES, per_source=PLACES, refusals_per_second=0, refusals_together=1e9
)
"""Every caller of most tests has the same address."""
# What the kernel takes at each end for a reader that does not read; left alone, it takes as
# much as the machine is set up for, which may be tens of megabytes.
KERNEL_BYTES = 65_536


@dataclass(frozen=True)
class Certificates:
    ca: Path
    tls: Tls


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("gateway-tls")
    now = datetime.now(UTC)
    authority_files = KeyPair(directory / "ca.pem", directory / "ca.key")
    authority = ensure_authority(authority_files, name="gateway tests", now=now)
    leaf = KeyPair(directory / "leaf.pem", directory / "leaf.key")
    ensure_leaf(leaf, authority, names=("localhost", "127.0.0.1"), now=now)
    return Certificates(authority_files.certificate, Tls(leaf.certificate, leaf.private_key))


class Connection(BoundedConnection):
    """As the gateway serves it, on a kernel that takes little."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the gateway
        client = transport.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        super().connection_made(transport)


class Socket(WatchConnection):
    """Likewise, after an upgrade."""

    write_seconds = BOUNDS.write_seconds


@dataclass
class Gateway:
    """A running gateway, what it stands in front of, and how to reach it."""

    port: int
    ca: Path
    store: Store
    metadata: GrpcServer
    vault: GrpcServer
    metrics: Metrics
    slots: ConnectionSlots
    metadata_port: int
    vault_port: int
    draining: asyncio.Event

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def http(self, token: str | None = ADMIN) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, verify=self.tls, headers=headers)

    async def exchange(self, sent: bytes, *, until_closed: bool = True) -> tuple[int, bytes]:
        """What a raw connection gets for these bytes: the status, and everything received."""
        async with self.connection() as (reader, writer):
            writer.write(sent)
            await writer.drain()
            async with asyncio.timeout(10):
                received = await (
                    reader.read() if until_closed else reader.readuntil(b"\r\n\r\n")
                )
        return int(received.split(b" ", 2)[1] or 0) if received else 0, received

    @asynccontextmanager
    async def connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        client = socket.socket()
        client.settimeout(0)
        # Before it connects: that is when the window is agreed upon.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        await asyncio.get_running_loop().sock_connect(client, (LOOPBACK, self.port))
        reader, writer = await asyncio.open_connection(
            sock=client, ssl=self.tls, server_hostname="localhost"
        )
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def curl(self, *arguments: str, token: str = ADMIN) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a request that curl makes, as the documentation shows it."""
        process = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--show-error", "--max-time", "10", "--cacert", str(self.ca)),
            *("--header", f"Authorization: Bearer {token}", "--write-out", "\n%{http_code}"),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        body, _, status = output.rpartition(b"\n")
        return int(status), json.loads(body)


async def _serve(services: tuple[Service, ...], tls: Tls) -> tuple[GrpcServer, int]:
    names = frozenset(service.name for service in services)
    server = GrpcServer(Port("127.0.0.1:0", tls, services), names, Metrics())
    return server, await server.start()


@asynccontextmanager
async def running_gateway(
    certificates: Certificates, bounds: StrangerBounds = NO_STRANGERS
) -> AsyncIterator[Gateway]:
    store, tls = Store(), certificates.tls
    metadata, metadata_port = await _serve(metadata_services(store), tls)
    vault, vault_port = await _serve(vault_services(store), tls)
    to_metadata = open_channel(f"localhost:{metadata_port}", ca=certificates.ca)
    to_vault = open_channel(f"localhost:{vault_port}", ca=certificates.ca)
    checks = {
        "metadata": PeerHealth(to_metadata, service=METADATA_SERVICE, deadline_seconds=2).check,
        "vault": PeerHealth(to_vault, service=VAULT_SERVICE, deadline_seconds=2).check,
    }
    metrics, draining = Metrics(), asyncio.Event()
    http_metrics = HttpMetrics(metrics)
    streaming = Streaming(
        room=Room(4), draining=draining, metrics=http_metrics, least_seconds=60
    )
    secure_values = SecureValuesClient(metadata=to_metadata, vault=to_vault, call_seconds=2)
    keepers = KeepersClient(metadata=to_metadata, call_seconds=2)
    documents = Health(readiness=Readiness(checks), release="test").paths()
    documents |= discovery_paths(namespace="default") | openapi_paths() | page_paths()
    access = AccessClient(metadata=to_metadata, call_seconds=2)
    app = make_app(
        documents=documents,
        kinds=(
            secure_value_verbs(secure_values, streaming),
            keeper_verbs(keepers, streaming),
            *review_verbs(Reviews(access, public_paths=documents)),
        ),
        metrics=http_metrics,
        room=Room(PLACES),
        strangers=Strangers(bounds, refused=lambda reason: metrics.refused("gateway", reason)),
        clock=SystemClock(),
    )
    connection = partial(Connection, bounds=BOUNDS)
    protocols = Protocols(connection, Socket)
    slots = ConnectionSlots(CONNECTIONS, refused=partial(metrics.refused, "gateway"))
    server = HttpServer(app, LOOPBACK, 0, tls=CurrentTls(tls), protocols=protocols, slots=slots)
    port = await server.start()
    try:
        yield Gateway(
            port=port,
            ca=certificates.ca,
            store=store,
            metadata=metadata,
            vault=vault,
            metrics=metrics,
            slots=slots,
            metadata_port=metadata_port,
            vault_port=vault_port,
            draining=draining,
        )
    finally:
        await server.stop(1)
        await to_metadata.close()
        await to_vault.close()
        await metadata.stop(0)
        await vault.stop(0)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_gateway(certificates: Certificates) -> AsyncIterator[Gateway]:
    async with running_gateway(certificates) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """A gateway in front of empty services; the processes behind it serve every test."""
    shared_gateway.store.clear()
    return shared_gateway


async def lines_of_earlier_tests_are_written() -> None:
    """The gateway counts the lines of a second, and writes the count when it is over."""
    await asyncio.sleep(1.5 * WINDOW_SECONDS)
