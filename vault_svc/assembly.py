"""What serves and what works beside it, put together on one database and one channel."""

import secrets
from dataclasses import dataclass

import grpc

from chassis.clock import SystemClock
from chassis.config import ConfigError
from chassis.grpc_server import Service
from chassis.identity import Authenticator
from chassis.metrics import Metrics
from chassis.postgres import Database
from chassis.trusted_issuers import IssuersFileVerifier
from vault_svc.config import PREFIX, Config
from vault_svc.decision_log import StructuredDecisionLog
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.grpc_api.services import services
from vault_svc.kek_metrics import KekTelemetry
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.metadata_client import GrpcMetadataClient
from vault_svc.ports.keks import Keks
from vault_svc.postgres.clock import TwoClocks
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.fingerprint_keys import PostgresFingerprintKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore
from vault_svc.use_cases.data_keys import DataKeys
from vault_svc.use_cases.decrypt import DecryptSecureValues
from vault_svc.use_cases.fingerprint_keys import FingerprintKeys
from vault_svc.use_cases.kek_check import check_keks
from vault_svc.use_cases.opening import Opening
from vault_svc.use_cases.readings import Readings
from vault_svc.use_cases.sweep import Sweep, SweepRule
from vault_svc.use_cases.unwrapped_keys import CacheBounds
from vault_svc.use_cases.writes import Writes
from vault_svc.worker import SweepIntervals, SweepTelemetry, SweepWorker


@dataclass(frozen=True, slots=True)
class Parts:
    """The services of the client port, and the sweep."""

    services: tuple[Service, ...]
    authenticator: Authenticator
    worker: SweepWorker


async def usable_keks(config: Config, database: Database, metrics: Metrics) -> Keks:
    """The KEKs to serve with; those declared lost, if they are, are told of.

    Raises ConfigError if the file is not usable or a KEK that data keys name is not at hand.
    """
    keks = load_keks(config.kek_file, secrets.token_bytes)
    found = await check_keks(PostgresDataKeyStore(database), keks, config.keks_lost)
    if found.problems:
        way_out = f"put what is missing back, or name lost KEKs in {PREFIX}KEKS_LOST"
        raise ConfigError((*found.problems, f"{way_out}: what lies under them stays sealed"))
    KekTelemetry(metrics).lost(found.lost)
    return keks.without(found.lost)


def assemble(
    config: Config,
    database: Database,
    channel: grpc.aio.Channel,
    metrics: Metrics,
    keks: Keks,
) -> Parts:
    """Everything, ready to be served.

    Raises IssuersFileError if the file is not usable.
    """
    clock, random = SystemClock(), secrets.token_bytes
    metadata = GrpcMetadataClient(channel)
    values, keys = PostgresSealedValueStore(database), PostgresDataKeyStore(database)
    bounds = CacheBounds(config.data_key_cache_limit, config.data_key_cache_seconds)
    data_keys = DataKeys(
        store=keys,
        keks=keks,
        clock=clock,
        random=random,
        rule=ReplacementRule(maximum_age_seconds=config.data_key_age_seconds),
        bounds=bounds,
    )
    fingerprint_keys = FingerprintKeys(
        store=PostgresFingerprintKeyStore(database),
        keks=keks,
        clock=clock,
        random=random,
        bounds=bounds,
    )
    served = services(
        DecryptSecureValues(
            Opening(Readings(metadata, values), data_keys), StructuredDecisionLog(metrics)
        ),
        Writes(
            metadata=metadata,
            values=values,
            data_keys=data_keys,
            fingerprint_keys=fingerprint_keys,
            clock=clock,
            random=random,
        ),
    )
    telemetry = SweepTelemetry(metrics)
    rule = SweepRule(config.longest_window_seconds, config.unclaimed_age_seconds)
    clocks = TwoClocks(clock, database)
    sweep = Sweep(metadata, values, clock, clocks, rule, telemetry.contradicted)
    authenticator = Authenticator(IssuersFileVerifier(config.issuers, clock))
    return Parts(served, authenticator, _worker(config, sweep, telemetry))


def _worker(config: Config, sweep: Sweep, telemetry: SweepTelemetry) -> SweepWorker:
    intervals = SweepIntervals(
        config.sweep_interval_seconds, config.full_sweep_interval_seconds
    )
    return SweepWorker(sweep, intervals, telemetry)
