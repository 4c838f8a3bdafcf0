"""The vault as a process: `python -m vault_svc` serves, with `migrate` it migrates instead."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import structlog

from chassis.clock import SystemClock
from chassis.config import ConfigError, load_config
from chassis.grpc_client import open_channel
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.identity import Authenticator, JwtVerifier, load_issuers
from chassis.metrics import Metrics
from chassis.migrations import check_schema, migrate
from chassis.operations import OperationsServer
from chassis.postgres import Database
from chassis.process import run
from chassis.telemetry import configure_logging
from vault_svc.config import PREFIX, Config
from vault_svc.decision_log import StructuredDecisionLog
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.grpc_api.callers import Callers
from vault_svc.grpc_api.services import SERVICE_NAMES, services
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.metadata_client import GrpcMetadataClient
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore
from vault_svc.ready import announce
from vault_svc.use_cases.data_keys import CacheBounds, DataKeys
from vault_svc.use_cases.decrypt import DecryptSecureValues
from vault_svc.use_cases.kek_check import kek_problems
from vault_svc.use_cases.opening import Opening
from vault_svc.use_cases.sweep import Sweep, SweepRule
from vault_svc.use_cases.writes import Writes
from vault_svc.worker import SweepIntervals, SweepWorker

MIGRATIONS = "vault_svc.postgres.migrations"
MAXIMUM_REQUEST_BYTES = 1024 * 1024


async def serve(stopping: asyncio.Event) -> None:
    """Serves until `stopping` is set, then drains. Raises ConfigError, SchemaError."""
    config = _configured()
    metrics, clock, random = Metrics(), SystemClock(), secrets.token_bytes
    keks = load_keks(config.kek_file, random)
    callers = Callers(Authenticator(JwtVerifier(load_issuers(config.issuers), clock)))
    async with _connections(config) as (database, channel):
        await check_schema(database, MIGRATIONS)
        metadata = GrpcMetadataClient(channel)
        values, keys = PostgresSealedValueStore(database), PostgresDataKeyStore(database)
        if problems := await kek_problems(keys, keks):
            raise ConfigError(problems)
        data_keys = DataKeys(
            store=keys,
            keks=keks,
            clock=clock,
            random=random,
            rule=ReplacementRule(maximum_age_seconds=config.data_key_age_seconds),
            bounds=CacheBounds(config.data_key_cache_limit, config.data_key_cache_seconds),
        )
        opening = Opening(metadata, values, data_keys)
        decrypt = DecryptSecureValues(opening, StructuredDecisionLog(metrics))
        writes = Writes(metadata, values, data_keys, clock, random)
        rule = SweepRule(config.release_grace_seconds, config.unclaimed_age_seconds)
        intervals = SweepIntervals(
            config.sweep_interval_seconds, config.full_sweep_interval_seconds
        )
        worker = SweepWorker(Sweep(metadata, values, clock, rule), intervals, metrics)
        server = GrpcServer(
            _port(config, services(callers, decrypt, writes)), SERVICE_NAMES, metrics
        )
        checks = {"database": database.healthy}
        operations = OperationsServer(
            config.host, config.operations_port, metrics=metrics, checks=checks
        )
        ports = {"clients": await server.start(), "operations": await operations.start()}
        announce(config.ready_file, ports)
        await worker.run(stopping)
        operations.drain()
        await server.stop(config.drain_seconds)
        await operations.stop()


async def migrate_only(_stopping: asyncio.Event) -> None:
    """The database is at this code's schema."""
    applied = await migrate(_configured().dsn, MIGRATIONS)
    structlog.get_logger(__name__).info("migrated", applied=applied)


def _configured() -> Config:
    config = load_config(Config, PREFIX, os.environ)
    configure_logging("vault", config.log_level, sys.stderr)
    return config


def _port(config: Config, served: tuple[Service, ...]) -> Port:
    return Port(
        address=f"{config.host}:{config.port}",
        tls=Tls(config.tls_certificate, config.tls_private_key),
        services=served,
        reflection=config.reflection,
        max_request_bytes=MAXIMUM_REQUEST_BYTES,
    )


@asynccontextmanager
async def _connections(config: Config) -> AsyncIterator[tuple[Database, grpc.aio.Channel]]:
    database = await Database.connect(
        config.dsn, application_name="splitkeep-vault", connections=config.dsn_connections
    )
    try:
        async with open_channel(
            config.metadata_target,
            ca=config.metadata_ca,
            certificate_chain=config.peer_certificate,
            private_key=config.peer_private_key,
            server_name=config.metadata_server_name,
        ) as channel:
            yield database, channel
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(run(migrate_only if sys.argv[1:] == ["migrate"] else serve))
