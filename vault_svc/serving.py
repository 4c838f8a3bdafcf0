"""One process that serves: a whole vault by itself, or one of several workers."""

import asyncio
from dataclasses import replace

import grpc
import structlog

from chassis.addresses import host_and_port
from chassis.clock import SystemClock
from chassis.commits import show_overdue
from chassis.database_health import DatabaseHealth
from chassis.database_tls import add_certificates
from chassis.descriptors import connection_limits
from chassis.freed_memory import give_back_freed_memory
from chassis.grpc_client import open_channel
from chassis.grpc_health import PeerHealth
from chassis.grpc_server import GrpcServer, Port, Tls
from chassis.in_flight import Limits
from chassis.metrics import Metrics
from chassis.migrations import check_schema
from chassis.operations import ProcessVitals
from chassis.places import Place
from chassis.postgres import Database
from chassis.readiness import Readiness
from chassis.tls_files import read_tls
from vault_svc.assembly import Parts, assemble, usable_keks
from vault_svc.config import MIGRATIONS, PORT_SETTINGS, PREFIX, Config
from vault_svc.grpc_api.services import SERVICE_NAMES
from vault_svc.metadata_client import PEER_SERVICE

WRITTEN_TABLES = ("sealed_values", "data_keys")
HEALTH_DEADLINE_SECONDS = 1.5  # longer than metadata takes to look at its database
MAXIMUM_REQUEST_BYTES = 1024 * 1024

_log = structlog.get_logger(__name__)


async def serve(config: Config, place: Place, stopping: asyncio.Event) -> None:
    """Serves at this place until `stopping` is set, then drains."""
    if config.release_grace_seconds:
        _log.warning(
            "a deprecated setting is in use",
            setting=f"{PREFIX}RELEASE_GRACE_SECONDS",
            replaced_by=f"{PREFIX}RECOVERY_WINDOW_SECONDS",
        )
    database = await Database.connect(
        config.dsn,
        application_name="vault_svc",
        setting=f"{PREFIX}DSN",
        connections=config.dsn_connections,
        statement_timeout_seconds=config.statement_timeout_seconds,
        marks=place.marks,
    )
    try:
        await check_schema(database, MIGRATIONS)
        await _serve(config, database, place, stopping)
    finally:
        await database.close()


async def _serve(
    config: Config, database: Database, place: Place, stopping: asyncio.Event
) -> None:
    metrics = Metrics()
    show_overdue(metrics, lambda: database.overdue_commits)
    add_certificates(metrics.certificates, config.dsn)
    _check_peer_files(config, metrics)
    async with open_channel(
        config.metadata_target,
        ca=config.metadata_ca,
        certificate_chain=config.peer_certificate,
        private_key=config.peer_private_key,
        server_name=config.metadata_server_name,
    ) as channel:
        keks = await usable_keks(config, database, metrics)
        parts = assemble(config, database, channel, metrics, keks)
        readiness = _readiness(database, channel, metrics)
        config = _with_descriptors(config, told=place.number == 0)
        port = _port(config, place, parts)
        server = GrpcServer(port, SERVICE_NAMES, metrics, readiness)
        ports = {"clients": await server.start()}
        metrics.connections.add_grpc("clients", port.connections, ports["clients"])
        await place.open(ports, ProcessVitals(metrics, readiness))
        # Any number of sweeps would do no harm, and no good: one of the workers sweeps.
        await asyncio.gather(
            parts.worker.run(stopping) if place.number == 0 else stopping.wait(),
            metrics.certificates.watch(SystemClock(), stopping, told=place.number == 0),
            give_back_freed_memory(stopping),
            metrics.connections.watch(stopping),
        )
        readiness.drain()
        await server.stop(config.drain_seconds)
        await place.close()


def _check_peer_files(config: Config, metrics: Metrics) -> None:
    """Raises TlsFilesError; the channel itself would fail at its first call, without a path."""
    files = Tls(config.peer_certificate, config.peer_private_key, config.metadata_ca)
    in_use = read_tls(files)  # for good: gRPC reads them once
    add = metrics.certificates.add
    add("metadata", config.peer_certificate, lambda: in_use.certificates)
    add("metadata CA", config.metadata_ca, lambda: in_use.authorities)


def _with_descriptors(config: Config, *, told: bool) -> Config:
    """With no more connections than there are descriptors for."""
    limits = connection_limits(
        {"clients": config.connections},
        database_connections=config.dsn_connections,
        told=told,
    )
    return replace(config, connections=limits["clients"])


def _readiness(database: Database, channel: grpc.aio.Channel, metrics: Metrics) -> Readiness:
    metadata = PeerHealth(
        channel, service=PEER_SERVICE, deadline_seconds=HEALTH_DEADLINE_SECONDS
    )
    database_health = DatabaseHealth(database, WRITTEN_TABLES)
    certificate = metrics.certificates.check("clients", SystemClock())
    return Readiness(
        {
            "database": database_health.check,
            "metadata": metadata.check,
            "certificate of clients": certificate,
            "clients": metrics.connections.check("clients"),
        }
    )


def _port(config: Config, place: Place, parts: Parts) -> Port:
    number = place.port("clients", config.port)
    return Port(
        host_and_port(config.host, number),
        Tls(config.tls_certificate, config.tls_private_key),
        parts.services,
        parts.authenticator,
        accept_mode=config.accept_mode,
        reflection=config.reflection,
        max_request_bytes=MAXIMUM_REQUEST_BYTES,
        max_connection_age_seconds=config.max_connection_age_seconds,
        limits=Limits(
            concurrent_calls=config.concurrent_calls, waiting_calls=config.waiting_calls
        ),
        connections=config.connections,
        flood_block_seconds=config.flood_block_seconds,
        shared_port=place.shared,
        setting=PORT_SETTINGS["clients"],
    )
