"""The control: a unary call that is served like any other and does nothing.

The same server builder, TLS files, token check and number of processes as the vault, the same
request message, and an empty answer. What a case costs beyond this is what the case itself
costs; the ratio of the two is what can be compared between machines and days.

For REST it is an empty handler behind the gateway's HTTPS server.

    python -m tests.bench.control_server      (told by SPLITKEEP_CONTROL_…; see Config)
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chassis.clock import SystemClock
from chassis.config import load_config
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.http_server import HttpServer, Protocols
from chassis.identity import Authenticator, JwtVerifier, load_issuers
from chassis.log_level import LogLevel
from chassis.metrics import Metrics
from chassis.operations import OperationsServer
from chassis.process import run
from chassis.readiness import Readiness
from chassis.ready import settle
from chassis.telemetry import configure_logging
from chassis.tls_files import CurrentTls
from gateway.edge.connection import BoundedConnection, ConnectionBounds
from protos.decryptv1beta1.decrypt_pb2 import (
    DESCRIPTOR,
    SecureValueDecryptRequest,
    SecureValueDecryptResponseCollection,
)
from protos.decryptv1beta1.decrypt_pb2_grpc import add_SecureValueDecrypterServicer_to_server

PREFIX = "SPLITKEEP_CONTROL_"
SERVICE = DESCRIPTOR.services_by_name["SecureValueDecrypter"].full_name
HOST = "127.0.0.1"
DRAIN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Config:
    """The vault's own files, and where to say which ports were taken."""

    tls_certificate: Path
    tls_private_key: Path
    issuers: Path
    ready_file: Path
    port: int
    shared_port: bool


class EmptyDecrypter:
    """Answers nothing; its port verifies the caller's token."""

    async def DecryptSecureValues(  # noqa: N802  # the proto's name
        self, _request: SecureValueDecryptRequest, _context: Any
    ) -> SecureValueDecryptResponseCollection:
        return SecureValueDecryptResponseCollection()


async def answer_nothing(_scope: Any, _receive: Any, send: Any) -> None:
    """An ASGI application: an empty object, whatever was asked."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


async def serve(stopping: asyncio.Event) -> None:
    config = load_config(Config, PREFIX, os.environ)
    configure_logging("control", LogLevel.INFO, sys.stderr)
    metrics = Metrics()
    verifier = JwtVerifier(load_issuers(config.issuers), SystemClock())
    servicer = EmptyDecrypter()
    tls = Tls(config.tls_certificate, config.tls_private_key)
    port = Port(
        address=f"{HOST}:{config.port}",
        tls=tls,
        services=(Service(SERVICE, add_SecureValueDecrypterServicer_to_server, servicer),),
        authenticator=Authenticator(verifier),
        shared_port=config.shared_port,
    )
    server = GrpcServer(port, frozenset({SERVICE}), metrics)
    https = HttpServer(
        answer_nothing,
        HOST,
        0,
        tls=CurrentTls(tls),
        protocols=Protocols(http=partial(BoundedConnection, bounds=ConnectionBounds())),
    )
    operations = OperationsServer(HOST, 0, metrics=metrics, readiness=Readiness({}))
    ports = {
        "clients": await server.start(),
        "https": await https.start(),
        "operations": await operations.start(),
    }
    settle()
    unfinished = config.ready_file.with_suffix(".new")
    unfinished.write_text(json.dumps(ports))
    unfinished.replace(config.ready_file)
    await stopping.wait()
    await server.stop(DRAIN_SECONDS)
    await https.stop(DRAIN_SECONDS)
    await operations.stop()


if __name__ == "__main__":
    sys.exit(run(serve))
