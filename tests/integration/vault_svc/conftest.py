"""Real Postgres, real gRPC, real TLS and real tokens; metadata's rows are in memory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from chassis.config import load_config
from chassis.grpc_client import open_channel
from chassis.grpc_server import EVERY_METHOD, GrpcServer, Port, Service, Tls
from chassis.metrics import Metrics
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import vault_peer_pb2_grpc
from tests.fakes.vault_svc.clock import StandingClock
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.integration.vault_svc.installation import Installation, make_installation
from tests.integration.vault_svc.peer import InMemoryPeer
from vault_svc.assembly import assemble, usable_keks
from vault_svc.config import PREFIX, Config
from vault_svc.grpc_api.services import SERVICE_NAMES
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.fingerprint_keys import PostgresFingerprintKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore

PEER_SERVICE = "splitkeep.metadata.v1.VaultPeer"


@pytest.fixture
async def database(vault_dsn: Sensitive[str]) -> AsyncIterator[Database]:
    database = await Database.connect(vault_dsn, application_name="test", connections=8)
    yield database
    await database.close()


@pytest.fixture
def values(database: Database) -> PostgresSealedValueStore:
    return PostgresSealedValueStore(database)


@pytest.fixture
def keys(database: Database) -> PostgresDataKeyStore:
    return PostgresDataKeyStore(database)


@pytest.fixture
def fingerprint_keys(database: Database) -> PostgresFingerprintKeyStore:
    return PostgresFingerprintKeyStore(database)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return make_installation(tmp_path)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def known() -> InMemoryMetadata:
    return InMemoryMetadata(StandingClock())


@pytest.fixture
def peer(known: InMemoryMetadata) -> InMemoryPeer:
    return InMemoryPeer(known)


@pytest.fixture
async def peer_port(
    peer: InMemoryPeer, installation: Installation, stack: AsyncExitStack
) -> int:
    service = Service(
        PEER_SERVICE,
        vault_peer_pb2_grpc.add_VaultPeerServicer_to_server,
        peer,
        frozenset({"splitkeep-vault"}),
        frozenset({"Resolve"}),
        EVERY_METHOD,
    )
    port = Port("127.0.0.1:0", installation.peer_tls(), (service,))
    server = GrpcServer(port, frozenset({PEER_SERVICE}), Metrics())
    bound = await server.start()
    stack.push_async_callback(server.stop, 0)
    return bound


@pytest.fixture
async def peer_channel(
    peer_port: int, installation: Installation, stack: AsyncExitStack
) -> grpc.aio.Channel:
    pair = installation.vault_peer
    channel = open_channel(
        f"127.0.0.1:{peer_port}",
        ca=installation.peer_ca,
        certificate_chain=pair.certificate,
        private_key=pair.private_key,
        server_name="splitkeep-metadata",
    )
    return await stack.enter_async_context(channel)


@dataclass(frozen=True)
class Serving:
    """A vault that is being served, and a client's channel to it."""

    channel: grpc.aio.Channel
    metrics: Metrics


@pytest.fixture
async def serving(
    database: Database,
    peer_channel: grpc.aio.Channel,
    installation: Installation,
    vault_dsn: Sensitive[str],
    stack: AsyncExitStack,
) -> Serving:
    environment = installation.environment(DSN=vault_dsn.reveal(), METADATA_TARGET="unused:1")
    metrics = Metrics()
    config = load_config(Config, PREFIX, environment)
    keks = await usable_keks(config, database, metrics)
    parts = assemble(config, database, peer_channel, metrics, keks)
    tls = Tls(installation.server.certificate, installation.server.private_key)
    port = Port("127.0.0.1:0", tls, parts.services, parts.authenticator, reflection=True)
    server = GrpcServer(port, SERVICE_NAMES, metrics)
    bound = await server.start()
    stack.push_async_callback(server.stop, 0)
    channel = open_channel(f"127.0.0.1:{bound}", ca=installation.ca)
    return Serving(await stack.enter_async_context(channel), metrics)
