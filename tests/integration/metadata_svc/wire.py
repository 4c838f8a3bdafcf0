"""Both ports of metadata_svc on free ports, with certificates and an issuer of their own."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc

from chassis.grpc_client import open_channel
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.in_flight import Limits
from chassis.metrics import Metrics
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.assembly import Parts, assemble
from metadata_svc.config import Config
from metadata_svc.worker import poll_until_stopped
from tests.integration.chassis.certificates import Authority, Pair
from tests.unit.chassis import tokens

EVERYTHING = ["*"]
ISSUERS = {
    "issuers": [
        {
            "issuer": tokens.ISSUER,
            "audiences": ["secret.grafana.app"],
            "algorithm": "ES256",
            "jwks_file": "jwks.json",
            "namespaces": EVERYTHING,
            "service_identities": EVERYTHING,
            "roles": EVERYTHING,
            "actions": EVERYTHING,
            "may_grant_decrypt": True,
        }
    ]
}


class Credentials:
    """Everything a configuration names, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._key = tokens.generate("ES256")
        tokens.publish(folder / "jwks.json", tokens.jwk(self._key, "k1"))
        self.issuers = folder / "issuers.json"
        self.issuers.write_text(json.dumps(ISSUERS))
        self.clients = Authority(folder, "clients")
        self.peers = Authority(folder, "peers")
        self.server = self.clients.issue("localhost", "127.0.0.1", file="server")
        self.peer = self.peers.issue("localhost", "splitkeep-metadata", file="peer")
        self.vault = self.peers.issue("splitkeep-vault", file="vault")

    def token(self, **claims: Any) -> Sensitive[str]:
        """An administrator's, unless changed."""
        now = int(time.time())
        whole = {
            "aud": ["secret.grafana.app"],
            "sub": "user:u1",
            "namespace": "default",
            "roles": ["Admin"],
            "iat": now,
            "nbf": now,
            "exp": now + 600,
        }
        return Sensitive(tokens.signed(self._key, tokens.claims(**whole | claims)))

    def config(self, dsn: Sensitive[str]) -> Config:
        return Config(
            dsn=dsn,
            tls_certificate=self.server.certificate,
            tls_private_key=self.server.private_key,
            peer_tls_certificate=self.peer.certificate,
            peer_tls_private_key=self.peer.private_key,
            peer_ca=self.peers.certificate,
            issuers=self.issuers,
        )


@dataclass(frozen=True)
class Wire:
    """Two channels: a client's, and the vault's with its certificate."""

    credentials: Credentials
    clients: grpc.aio.Channel
    clients_port: int
    peer: grpc.aio.Channel
    peer_target: str
    server: GrpcServer  # the clients'
    metrics: Metrics

    def client_at(self, port: int) -> grpc.aio.Channel:
        """Another client, who takes the way over this port to the client port."""
        return open_channel(f"localhost:{port}", ca=self.credentials.clients.certificate)

    def peer_as(self, pair: Pair | None) -> grpc.aio.Channel:
        """The peer port, by someone else."""
        return open_channel(
            self.peer_target,
            ca=self.credentials.peers.certificate,
            certificate_chain=pair.certificate if pair else None,
            private_key=pair.private_key if pair else None,
        )


@asynccontextmanager
async def wired(
    credentials: Credentials, database: Database, dsn: Sensitive[str], **changes: Any
) -> AsyncIterator[Wire]:
    config = replace(credentials.config(dsn), **changes)
    metrics = Metrics()
    parts = assemble(config, database, metrics)
    own = Tls(config.tls_certificate, config.tls_private_key)
    mutual = Tls(config.peer_tls_certificate, config.peer_tls_private_key, config.peer_ca)
    servers = [
        _server(config, parts, parts.clients, own),
        _server(config, parts, (parts.peer,), mutual),
    ]
    clients_port, peer_port = [await server.start() for server in servers]
    peer_target = f"localhost:{peer_port}"
    wire = Wire(
        credentials,
        open_channel(f"localhost:{clients_port}", ca=credentials.clients.certificate),
        clients_port,
        open_channel(
            peer_target,
            ca=credentials.peers.certificate,
            certificate_chain=credentials.vault.certificate,
            private_key=credentials.vault.private_key,
        ),
        peer_target,
        servers[0],
        metrics,
    )
    stopping = asyncio.Event()
    polling = asyncio.ensure_future(
        poll_until_stopped(
            parts.poll, interval_seconds=config.watch_poll_seconds, stopping=stopping
        )
    )
    try:
        yield wire
    finally:
        stopping.set()
        await polling
        await wire.clients.close()
        await wire.peer.close()
        for server in servers:
            await server.stop(0)


def _server(
    config: Config, parts: Parts, services: tuple[Service, ...], tls: Tls
) -> GrpcServer:
    port = Port(
        "localhost:0",
        tls,
        services,
        parts.authenticator,
        limits=Limits(
            concurrent_calls=config.concurrent_calls,
            waiting_calls=config.waiting_calls,
            concurrent_streams=config.concurrent_watches,
        ),
    )
    return GrpcServer(port, frozenset(service.name for service in services), Metrics())
