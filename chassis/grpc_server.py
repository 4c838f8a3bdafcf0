"""One gRPC port: TLS, health, reflection, bounds, graceful end.

- It does not start unless exactly the declared services are registered.
- Everything around a method's own work is in chassis/grpc_methods.py.
- There is no port without TLS.

    service = Service(NAME, add_XServicer_to_server, servicer)
    server = GrpcServer(Port("127.0.0.1:0", tls, (service,)), frozenset({NAME}), metrics)
    port = await server.start()
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis.grpc_calls import InFlight, Limits, Surroundings
from chassis.grpc_methods import Handler, Method
from chassis.metrics import Metrics
from chassis.peers import peer_sans
from chassis.tls_files import RotatingTls, Tls

__all__ = ["GrpcServer", "Port", "Service", "ServiceNotDeclaredError", "Tls", "peer_sans"]

HEALTH_SERVICE = "grpc.health.v1.Health"
METADATA_BYTES = 32_768  # a token of 16 KiB and room beside it
# Calls that have begun and sent no request yet, health watches and reflection take places too;
# so many that they cannot easily be used up. The bound on calls being served is the Port's.
MAX_OPEN_STREAMS = 4_096
_IDENTITY_ONLY = 1 << grpc.Compression.NoCompression.value

_Handlers = Mapping[str, Handler]


@dataclass(frozen=True)
class Service:
    """One gRPC service: its full name, the generated add function, and who serves it.

    With `peers`, only a peer whose certificate bears one of these SANs may call it, and none if
    the set is empty; None is for everyone.
    """

    name: str
    add: Callable[[Any, Any], None]
    servicer: object
    peers: frozenset[str] | None = None


@dataclass(frozen=True)
class Port:
    """One listening port and its bounds. Port 0 in the address picks a free one."""

    address: str
    tls: Tls
    services: tuple[Service, ...]
    reflection: bool = False
    max_request_bytes: int = 4 * 1024 * 1024
    max_connection_age_seconds: float = 300
    default_deadline_seconds: float = 10
    max_deadline_seconds: float = 60
    concurrent_calls: int = 256
    shared_port: bool = False  # SO_REUSEPORT: several processes on one port


class ServiceNotDeclaredError(Exception):
    """The services registered are not those declared."""


class GrpcServer:
    """Serves one Port from start() to stop()."""

    def __init__(self, port: Port, declared: frozenset[str], metrics: Metrics) -> None:
        self._port, self._declared, self._metrics = port, declared, metrics
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """The bound port's number; from now on calls are answered.

        Raises ServiceNotDeclaredError; OSError and TlsFilesError if the TLS files are not
        usable; RuntimeError if the address is not free.
        """
        port = self._port
        self._server = server = grpc.aio.server(
            options=_options(port),
            maximum_concurrent_rpcs=MAX_OPEN_STREAMS,
        )
        registered = self._register(server)
        if registered != self._declared:
            names = ", ".join(sorted(registered ^ self._declared))
            raise ServiceNotDeclaredError(f"either not declared or not registered: {names}")
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if port.reflection:
            shown = (*sorted(registered), HEALTH_SERVICE, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(shown, server)
        bound = server.add_secure_port(port.address, RotatingTls(port.tls).credentials())
        await server.start()
        for name in ("", *registered):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """Calls under way have ended, or been cancelled after `grace_seconds`."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace_seconds)

    def _register(self, server: grpc.aio.Server) -> frozenset[str]:
        port = self._port
        limits = Limits(
            port.default_deadline_seconds, port.max_deadline_seconds, port.concurrent_calls
        )
        in_flight = InFlight()
        registered: set[str] = set()
        for service in port.services:
            recorder = _Recorder()
            service.add(service.servicer, recorder)
            for name, handlers in recorder.services.items():
                wrapped = {
                    method: Method(
                        handler,
                        Surroundings(
                            name, method, service.peers, limits, in_flight, self._metrics
                        ),
                    ).wrapped()
                    for method, handler in handlers.items()
                }
                generic = grpc.method_handlers_generic_handler(name, wrapped)
                server.add_generic_rpc_handlers((generic,))
                registered.add(name)
        return frozenset(registered)


class _Recorder:
    """Stands in for a server while generated code registers a servicer's methods."""

    def __init__(self) -> None:
        self.services: dict[str, _Handlers] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Generated code offers the same methods once more by name, below."""

    def add_registered_method_handlers(self, service: str, handlers: _Handlers) -> None:
        self.services[service] = handlers


def _options(port: Port) -> list[tuple[str, int]]:
    age_ms = int(port.max_connection_age_seconds * 1000)
    return [
        ("grpc.so_reuseport", int(port.shared_port)),
        ("grpc.max_receive_message_length", port.max_request_bytes),
        # gRPC bounds a message only once it is unpacked: packed ones are refused as they are.
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.max_connection_age_ms", age_ms),
        ("grpc.max_connection_age_grace_ms", int(port.max_deadline_seconds * 1000)),
        ("grpc.max_concurrent_streams", MAX_OPEN_STREAMS // 4),  # of one connection
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 5),
    ]
