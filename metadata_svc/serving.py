"""One process that serves: all of metadata by itself, or one of several workers."""

import asyncio
from dataclasses import replace
from functools import partial

from chassis.addresses import host_and_port
from chassis.clock import SystemClock
from chassis.commits import show_overdue
from chassis.database_health import DatabaseHealth
from chassis.database_tls import add_certificates
from chassis.descriptors import connection_limits
from chassis.freed_memory import give_back_freed_memory
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.identity import Authenticator
from chassis.in_flight import Limits
from chassis.metrics import Metrics
from chassis.migrations import check_schema
from chassis.operations import ProcessVitals
from chassis.places import Place
from chassis.postgres import Database
from chassis.readiness import Readiness
from metadata_svc.assembly import assemble
from metadata_svc.config import MIGRATIONS, PORT_SETTINGS, PREFIX, Config, grpc_ports
from metadata_svc.worker import poll_until_stopped, trim_until_stopped

PORTS = ("clients", "peer")
WRITTEN_TABLES = ("secure_values", "keepers", "changes")
MAXIMUM_REQUEST_BYTES = 1024 * 1024  # what a client may have sent to the gateway


async def serve(config: Config, place: Place, stopping: asyncio.Event) -> None:
    """Serves at this place until `stopping` is set, then drains."""
    database = await Database.connect(
        config.dsn,
        application_name="metadata_svc",
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
    readiness = _readiness(database, metrics)
    parts = assemble(config, database, metrics)
    own = Tls(config.tls_certificate, config.tls_private_key)
    mutual = Tls(config.peer_tls_certificate, config.peer_tls_private_key, config.peer_ca)
    config = _with_descriptors(config, told=place.number == 0)
    port = partial(_port, config, place, parts.authenticator)
    clients = GrpcServer(*port("clients", own, parts.clients), metrics, readiness)
    peer = GrpcServer(*port("peer", mutual, (parts.peer,)), metrics, readiness)
    ports = {"clients": await clients.start(), "peer": await peer.start()}
    for name, number in ports.items():
        metrics.connections.add_grpc(name, config.connections, number)
    await place.open(ports, ProcessVitals(metrics, readiness))
    await asyncio.gather(
        trim_until_stopped(
            # Any number of trims would do no harm, and no good: one of the workers trims.
            parts.trims if place.number == 0 else {},
            interval_seconds=config.trim_interval_seconds,
            stopping=stopping,
        ),
        poll_until_stopped(
            parts.poll, interval_seconds=config.watch_poll_seconds, stopping=stopping
        ),
        metrics.certificates.watch(SystemClock(), stopping, told=place.number == 0),
        give_back_freed_memory(stopping),
        metrics.connections.watch(stopping),
    )
    readiness.drain()
    await asyncio.gather(clients.stop(config.drain_seconds), peer.stop(config.drain_seconds))
    await place.close()


def _with_descriptors(config: Config, *, told: bool) -> Config:
    """With no more connections than there are descriptors for."""
    limits = connection_limits(
        dict.fromkeys(PORTS, config.connections),
        database_connections=config.dsn_connections,
        told=told,
    )
    return replace(config, connections=min(limits.values()))


def _readiness(database: Database, metrics: Metrics) -> Readiness:
    check, clock = metrics.certificates.check, SystemClock()
    return Readiness(
        {"database": DatabaseHealth(database, WRITTEN_TABLES).check}
        | {f"certificate of {name}": check(name, clock) for name in PORTS}
        | {name: metrics.connections.check(name) for name in PORTS}
    )


def _port(  # what both ports share, then what is each one's own
    config: Config,
    place: Place,
    authenticator: Authenticator,
    name: str,
    tls: Tls,
    services: tuple[Service, ...],
) -> tuple[Port, frozenset[str]]:
    number = place.port(name, grpc_ports(config)[name])
    port = Port(
        host_and_port(config.host, number),
        tls,
        services,
        authenticator,
        accept_mode=config.accept_mode,
        reflection=config.reflection,
        max_request_bytes=MAXIMUM_REQUEST_BYTES,
        max_connection_age_seconds=config.max_connection_age_seconds,
        limits=Limits(
            concurrent_calls=config.concurrent_calls,
            waiting_calls=config.waiting_calls,
            concurrent_streams=config.concurrent_watches,
        ),
        connections=config.connections,
        flood_block_seconds=config.flood_block_seconds,
        shared_port=place.shared,
        setting=PORT_SETTINGS[name],
        name=name,
    )
    return port, frozenset(service.name for service in services)
