"""`python -m vault_svc`: serves until SIGTERM; `… migrate` upgrades the schema and ends."""

import asyncio
import os
import sys

import structlog

from chassis.config import ConfigError, load_config
from chassis.grpc_client import open_channel
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.metrics import Metrics
from chassis.migrations import check_schema, migrate
from chassis.operations import OperationsServer
from chassis.postgres import Database
from chassis.process import run
from chassis.ready import announce
from chassis.telemetry import configure_logging
from vault_svc.assembly import assemble
from vault_svc.config import MIGRATE_VARIABLES, PREFIX, Config, MigrateConfig
from vault_svc.grpc_api.services import SERVICE_NAMES
from vault_svc.metadata_client import MetadataHealth
from vault_svc.use_cases.kek_check import kek_problems

MIGRATIONS = "vault_svc.postgres.migrations"
MAXIMUM_REQUEST_BYTES = 1024 * 1024


async def serve(stopping: asyncio.Event) -> None:
    """Serves until `stopping` is set, then drains."""
    config = load_config(Config, PREFIX, os.environ)
    configure_logging("vault", config.log_level, sys.stderr)
    database = await Database.connect(
        config.dsn,
        application_name="vault_svc",
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
    async with open_channel(
        config.metadata_target,
        ca=config.metadata_ca,
        certificate_chain=config.peer_certificate,
        private_key=config.peer_private_key,
        server_name=config.metadata_server_name,
    ) as channel:
        parts = assemble(config, database, channel, metrics)
        if problems := await kek_problems(parts.data_keys, parts.keks):
            raise ConfigError(problems)
        server = GrpcServer(_port(config, parts.services), SERVICE_NAMES, metrics)
        operations = OperationsServer(
            config.host,
            config.operations_port,
            metrics=metrics,
            checks={
                "database": database.healthy,
                "metadata": MetadataHealth(channel).check,
            },
        )
        ports = {"clients": await server.start(), "operations": await operations.start()}
        announce(ports, config.ready_file)
        await parts.worker.run(stopping)
        operations.drain()
        await server.stop(config.drain_seconds)
        await operations.stop()


def _port(config: Config, services: tuple[Service, ...]) -> Port:
    return Port(
        f"{config.host}:{config.port}",
        Tls(config.tls_certificate, config.tls_private_key),
        services,
        reflection=config.reflection,
        max_request_bytes=MAXIMUM_REQUEST_BYTES,
        max_connection_age_seconds=config.max_connection_age_seconds,
        concurrent_calls=config.concurrent_calls,
    )


async def upgrade(_stopping: asyncio.Event) -> None:
    """The schema is this code's."""
    needed = {name: text for name, text in os.environ.items() if name in MIGRATE_VARIABLES}
    config = load_config(MigrateConfig, PREFIX, needed)
    configure_logging("vault", config.log_level, sys.stderr)
    applied = await migrate(config.dsn, MIGRATIONS)
    structlog.get_logger(__name__).info("migrated", applied=applied)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            sys.exit(run(serve))
        case ["migrate"]:
            sys.exit(run(upgrade))
        case _:
            sys.exit("usage: python -m vault_svc [migrate]")
