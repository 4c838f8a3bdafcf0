"""`python -m gateway`: serves the REST API until SIGTERM. The composition root."""
# ruff: noqa: E402  # what gRPC prints is decided before it is imported

import asyncio
import os
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from chassis.grpc_core_output import silence_core

silence_core(os.environ, unless="SPLITKEEP_GRPC_VERBOSITY")

import grpc
import structlog

from chassis.clock import SystemClock
from chassis.config import load_config
from chassis.connection_slots import ConnectionSlots
from chassis.descriptors import connection_limits
from chassis.freed_memory import give_back_freed_memory
from chassis.grpc_client import open_channel
from chassis.grpc_health import PeerHealth
from chassis.http_server import HttpBounds, HttpServer, Protocols
from chassis.metrics import Metrics
from chassis.operations import OperationsServer
from chassis.process import leave, run
from chassis.readiness import Readiness
from chassis.ready import announce
from chassis.telemetry import configure_logging
from chassis.tls_files import CurrentTls, Tls, read_certificates
from gateway.app import make_app
from gateway.clients.access import AccessClient
from gateway.clients.keepers import KeepersClient
from gateway.clients.secure_values import METADATA_SERVICE, VAULT_SERVICE, SecureValuesClient
from gateway.config import PREFIX, Config
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

KEEP_ALIVE_SECONDS = 75
PORT = "gateway"
"""What metrics and readiness call the HTTPS port."""
SOURCES = 4
"""So many sources at least share what there is for strangers."""
HEALTH_SECONDS = 1.9  # longer than the vault takes to ask metadata

_log = structlog.get_logger("gateway")


async def main(stopping: asyncio.Event) -> None:
    """Serves until `stopping` is set, then drains."""
    config = load_config(Config, PREFIX, os.environ)
    configure_logging("gateway", config.log_level, sys.stderr)
    metrics = Metrics()
    _, authorities = read_certificates(config.ca)  # for good: gRPC reads them once
    metrics.certificates.add("services CA", config.ca, lambda: authorities)
    metadata = open_channel(
        config.metadata_target, ca=config.ca, server_name=config.metadata_server_name
    )
    vault = open_channel(
        config.vault_target, ca=config.ca, server_name=config.vault_server_name
    )
    readiness = _readiness(metadata, vault, metrics)
    https = _https_server(config, metadata, vault, readiness, metrics, stopping)
    operations = OperationsServer(
        config.host,
        config.operations_port,
        metrics=metrics,
        readiness=readiness,
        setting=f"{PREFIX}OPERATIONS_PORT",
    )
    ports = {"https": await https.start(), "operations": await operations.start()}
    announce(ports, config.ready_file)
    await asyncio.gather(
        metrics.certificates.watch(SystemClock(), stopping),
        metrics.connections.watch(stopping),
        give_back_freed_memory(stopping),
    )
    readiness.drain()
    await https.stop(config.drain_seconds)
    await operations.stop()
    await metadata.close()
    await vault.close()


def _https_server(  # everything that main has made
    config: Config,
    metadata: grpc.aio.Channel,
    vault: grpc.aio.Channel,
    readiness: Readiness,
    metrics: Metrics,
    stopping: asyncio.Event,
) -> HttpServer:
    http_metrics = HttpMetrics(metrics)
    streaming = Streaming(
        room=Room(config.concurrent_watches, refused=partial(metrics.refused, PORT)),
        draining=stopping,
        metrics=http_metrics,
        least_seconds=config.watch_seconds,
    )
    seconds = config.call_seconds
    secure_values = SecureValuesClient(metadata=metadata, vault=vault, call_seconds=seconds)
    keepers = KeepersClient(metadata=metadata, call_seconds=seconds)
    documents = Health(readiness=readiness, release=_release()).paths()
    documents |= discovery_paths(namespace=config.namespace) | openapi_paths() | page_paths()
    access = AccessClient(metadata=metadata, call_seconds=seconds)
    app = make_app(
        documents=documents,
        kinds=(
            secure_value_verbs(secure_values, streaming),
            keeper_verbs(keepers, streaming),
            *review_verbs(Reviews(access, public_paths=documents)),
        ),
        metrics=http_metrics,
        room=Room(config.concurrent_requests, refused=partial(metrics.refused, PORT)),
        strangers=_strangers(config, metrics),
        clock=SystemClock(),
    )
    return HttpServer(
        app,
        config.host,
        config.port,
        tls=_tls(config, metrics),
        bounds=HttpBounds(keep_alive_seconds=KEEP_ALIVE_SECONDS),
        protocols=Protocols(
            http=partial(BoundedConnection, bounds=ConnectionBounds()),
            websocket=WatchConnection,
        ),
        slots=_slots(config, metrics),
        setting=f"{PREFIX}PORT",
    )


def _strangers(config: Config, metrics: Metrics) -> Strangers:
    places = config.concurrent_requests
    bounds = StrangerBounds(
        together=max(1, places * (SOURCES - 1) // SOURCES),
        per_source=max(1, places // SOURCES),
        refusals_per_second=config.refused_credentials_per_second,
    )
    return Strangers(bounds, refused=partial(metrics.refused, PORT))


def _slots(config: Config, metrics: Metrics) -> ConnectionSlots:
    limit = connection_limits({PORT: config.concurrent_connections})[PORT]
    slots = ConnectionSlots(
        limit,
        strangers_per_source=max(1, limit // SOURCES),
        refused=partial(metrics.refused, PORT),
    )
    metrics.connections.add(PORT, limit, lambda: slots.open)
    return slots


def _tls(config: Config, metrics: Metrics) -> CurrentTls:
    current = CurrentTls(Tls(config.tls_certificate, config.tls_private_key))
    metrics.certificates.add(
        "https", config.tls_certificate, lambda: current.contents().certificates
    )
    return current


def _readiness(
    metadata: grpc.aio.Channel, vault: grpc.aio.Channel, metrics: Metrics
) -> Readiness:
    peers = {"metadata": (metadata, METADATA_SERVICE), "vault": (vault, VAULT_SERVICE)}
    return Readiness(
        {
            name: PeerHealth(channel, service=service, deadline_seconds=HEALTH_SECONDS).check
            for name, (channel, service) in peers.items()
        }
        | {
            "certificate of https": metrics.certificates.check("https", SystemClock()),
            PORT: metrics.connections.check(PORT),
        }
    )


def _release() -> str:
    try:
        return version("splitkeep")
    except PackageNotFoundError:  # run from a clone
        return "clone"


if __name__ == "__main__":
    leave(run(main, service="gateway"))
