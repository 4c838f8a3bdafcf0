"""`python -m metadata_svc`: serves until SIGTERM; `… migrate` upgrades the schema and ends."""

import asyncio
import os
import sys

import structlog

from chassis.config import load_config
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.metrics import Metrics
from chassis.migrations import check_schema, migrate
from chassis.operations import OperationsServer
from chassis.postgres import Database
from chassis.process import run
from chassis.ready import announce
from chassis.telemetry import configure_logging
from metadata_svc.assembly import assemble
from metadata_svc.config import MIGRATE_VARIABLES, PREFIX, Config, MigrateConfig
from metadata_svc.worker import poll_until_stopped, trim_until_stopped

MIGRATIONS = "metadata_svc.postgres.migrations"
MAXIMUM_REQUEST_BYTES = 1024 * 1024  # what a client may have sent to the gateway

_log = structlog.get_logger("metadata_svc")


async def serve(stopping: asyncio.Event) -> None:
    """Serves until `stopping` is set, then drains."""
    config = load_config(Config, PREFIX, os.environ)
    configure_logging("metadata", config.log_level, sys.stderr)
    database = await Database.connect(
        config.dsn,
        application_name="metadata_svc",
        connections=config.dsn_connections,
        statement_timeout_seconds=config.statement_timeout_seconds,
    )
    try:
        await check_schema(database, MIGRATIONS)
        await _serve(config, database, stopping)
    finally:
        await database.close()


async def _serve(config: Config, database: Database, stopping: asyncio.Event) -> None:
    metrics = Metrics()
    parts = assemble(config, database, metrics)
    own = Tls(config.tls_certificate, config.tls_private_key)
    mutual = Tls(config.peer_tls_certificate, config.peer_tls_private_key, config.peer_ca)
    clients = GrpcServer(*_port(config, config.port, own, parts.clients), metrics)
    peer = GrpcServer(*_port(config, config.peer_port, mutual, (parts.peer,)), metrics)
    operations = OperationsServer(
        config.host,
        config.operations_port,
        metrics=metrics,
        checks={"database": database.healthy},
    )
    ports = {
        "clients": await clients.start(),
        "peer": await peer.start(),
        "operations": await operations.start(),
    }
    announce(ports, config.ready_file)
    await asyncio.gather(
        trim_until_stopped(
            parts.trims, interval_seconds=config.trim_interval_seconds, stopping=stopping
        ),
        poll_until_stopped(
            parts.poll, interval_seconds=config.watch_poll_seconds, stopping=stopping
        ),
    )
    operations.drain()
    await asyncio.gather(clients.stop(config.drain_seconds), peer.stop(config.drain_seconds))
    await operations.stop()


def _port(
    config: Config, number: int, tls: Tls, services: tuple[Service, ...]
) -> tuple[Port, frozenset[str]]:
    port = Port(
        f"{config.host}:{number}",
        tls,
        services,
        reflection=config.reflection,
        max_request_bytes=MAXIMUM_REQUEST_BYTES,
        max_connection_age_seconds=config.max_connection_age_seconds,
        concurrent_calls=config.concurrent_calls,
        concurrent_streams=config.concurrent_watches,
    )
    return port, frozenset(service.name for service in services)


async def upgrade(_stopping: asyncio.Event) -> None:
    """The schema is this code's."""
    needed = {name: text for name, text in os.environ.items() if name in MIGRATE_VARIABLES}
    config = load_config(MigrateConfig, PREFIX, needed)
    configure_logging("metadata", config.log_level, sys.stderr)
    applied = await migrate(config.dsn, MIGRATIONS)
    _log.info("migrated", applied=applied)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            sys.exit(run(serve))
        case ["migrate"]:
            sys.exit(run(upgrade))
        case _:
            sys.exit("usage: python -m metadata_svc [migrate]")
