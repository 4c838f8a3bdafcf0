"""One gRPC port: TLS, health, reflection, bounds, graceful end.

- It does not start unless exactly the declared services are registered.
- Everything around a method's own work is in chassis/grpc_methods.py.
- There is no port without TLS.

    service = Service(NAME, add_XServicer_to_server, servicer)
    server = GrpcServer(Port("127.0.0.1:0", tls, (service,)), frozenset({NAME}), metrics)
    port = await server.start()
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from chassis.accepting import Accepting
from chassis.config import StartHinderedError
from chassis.grpc_health import ReadinessHealth
from chassis.grpc_methods import Handler, Method, Methods
from chassis.in_flight import InFlight, Limits, Surroundings
from chassis.metrics import Metrics
from chassis.peers import peer_sans
from chassis.readiness import Readiness
from chassis.reflection import Reflection
from chassis.shared_ports import check_free
from chassis.tls_files import CurrentTls, RotatingTls, Tls

__all__ = ["GrpcServer", "Port", "Service", "ServiceNotDeclaredError", "Tls", "peer_sans"]

HEALTH_SERVICE = "grpc.health.v1.Health"
METADATA_BYTES = 32_768  # a token of 16 KiB and room beside it
# Health checks and watches, and reflection, take places here too; so many that they cannot
# easily be used up. The bound on calls being served is the Port's.
MAX_OPEN_STREAMS = 4_096
TAKING_ON_SECONDS = 2.0  # for what has come before the end
STREAMS_GRACE_SECONDS = 1.0  # for the last words to streams, once no call is left
HANDSHAKE_MS = 5_000
SETTINGS_ACK_MS = 5_000
IDLE_MS = 60_000  # of a connection without a call; its client makes another one
_NO_END_SECONDS = 86_400.0  # the grace is counted here
_FOR_EVER_MS = 2**31 - 1
_IDENTITY_ONLY = 1 << grpc.Compression.NoCompression.value

_Named = Mapping[str, Handler]


@dataclass(frozen=True)
class Service:
    """One gRPC service: its full name, the generated add function, and who serves it.

    With `peers`, only a peer whose certificate bears one of these SANs may call it, and none if
    the set is empty; None is for everyone. The streams of `open_ended` methods last as long as
    their callers want them: they end early only when the server drains.
    """

    name: str
    add: Callable[[Any, Any], None]
    servicer: object
    peers: frozenset[str] | None = None
    open_ended: frozenset[str] = frozenset()


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
    waiting_calls: int = 0
    concurrent_streams: int = 256  # open-ended ones
    connections: int = 1_000  # open at a time; one more is closed as it is accepted
    shared_port: bool = False  # SO_REUSEPORT: several processes on one port
    setting: str = "the port's setting"  # where its number was given
    name: str = "clients"


class ServiceNotDeclaredError(Exception):
    """The services registered are not those declared."""


class GrpcServer:
    """Serves one Port from start() to stop()."""

    def __init__(
        self,
        port: Port,
        declared: frozenset[str],
        metrics: Metrics,
        readiness: Readiness | None = None,
    ) -> None:
        self._port, self._declared, self._metrics = port, declared, metrics
        self._health = ReadinessHealth(readiness or Readiness({}))
        self._following: asyncio.Task[None] | None = None
        self._in_flight = InFlight(port.concurrent_calls, port.waiting_calls)
        self._server: grpc.aio.Server | None = None
        self._accepting: Accepting | None = None

    async def start(self) -> int:
        """The bound port's number; from now on calls are answered.

        Raises ServiceNotDeclaredError; StartRefusedError if the TLS files are not usable or the
        address is not free.
        """
        port = self._port
        self._server = server = grpc.aio.server(options=_options(port))
        handlers: Any = _Handlers()  # of a server it has what registering needs
        registered = self._register(handlers)
        if registered != self._declared:
            names = ", ".join(sorted(registered ^ self._declared))
            raise ServiceNotDeclaredError(f"either not declared or not registered: {names}")
        health_pb2_grpc.add_HealthServicer_to_server(self._health, handlers)
        if port.reflection:
            Reflection((*registered, HEALTH_SERVICE)).add_to(handlers)
        bound = _bound(server, port, self._current_tls())
        self._accepting = Accepting(handlers, limit=MAX_OPEN_STREAMS)
        self._accepting.of(server)
        await server.start()
        await self._health.serve(registered)
        self._following = asyncio.create_task(self._health.follow())
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """Calls under way have ended, or been cancelled after `grace_seconds`.

        Calls that have come are taken on first. Then open-ended streams end: their callers are
        to go on elsewhere. One whose caller does not read is cut once there is no call to wait
        for.
        """
        if self._server is None or self._accepting is None or self._following is None:
            return
        self._following.cancel()
        began = time.monotonic()
        await self._health.enter_graceful_shutdown()
        await self._accepting.drain(min(TAKING_ON_SECONDS, grace_seconds))
        self._in_flight.drain()
        grace_seconds = max(0.0, grace_seconds - (time.monotonic() - began))
        stopped = asyncio.ensure_future(self._server.stop(_NO_END_SECONDS))
        calls_ended = asyncio.ensure_future(self._in_flight.calls_ended.wait())
        await asyncio.wait(
            (stopped, calls_ended),
            timeout=grace_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        last_words = STREAMS_GRACE_SECONDS if calls_ended.done() else 0
        calls_ended.cancel()
        await asyncio.wait((stopped,), timeout=min(last_words, grace_seconds))
        self._in_flight.queue.drop()
        if not stopped.done():
            # Without a grace it cancels before it awaits anything but its turn: the first
            # stop() cannot end and free the server in between, as if both had a timer.
            await self._server.stop(None)
        await stopped

    def _current_tls(self) -> CurrentTls:
        name, tls = self._port.name, self._port.tls
        current, used = CurrentTls(tls), self._metrics.certificates
        used.add(name, tls.certificate_chain, lambda: current.contents().certificates)
        if tls.client_ca is not None:
            used.add(f"{name} CA", tls.client_ca, lambda: current.contents().authorities)
        return current

    def _register(self, handlers: "_Handlers") -> frozenset[str]:
        registered: set[str] = set()
        methods: dict[str, Method] = {}
        for service in self._port.services:
            recorder = _Recorder()
            service.add(service.servicer, recorder)
            for name, named in recorder.services.items():
                registered.add(name)
                for method, handler in named.items():
                    around = self._around(service, name, method)
                    methods[around.rpc] = Method(handler, around)
        handlers.append(Methods(methods))
        return frozenset(registered)

    def _around(self, service: Service, name: str, method: str) -> Surroundings:
        port = self._port
        limits = Limits(
            port.default_deadline_seconds,
            port.max_deadline_seconds,
            port.concurrent_streams,
        )
        return Surroundings(
            service=name,
            method=method,
            peers=service.peers,
            limits=limits,
            in_flight=self._in_flight,
            metrics=self._metrics,
            open_ended=method in service.open_ended,
        )


def _bound(server: grpc.aio.Server, port: Port, current: CurrentTls) -> int:
    host, _, number = port.address.rpartition(":")
    client_certificates = port.tls.client_ca is not None
    credentials = RotatingTls(current, client_certificates=client_certificates).credentials()
    if not port.shared_port:  # gRPC does not tell why an address cannot be had
        check_free(host, int(number), port.setting)
    try:
        return server.add_secure_port(port.address, credentials)
    except RuntimeError as error:
        problem = f"cannot listen on {port.address}: gRPC refuses it (see {port.setting})"
        raise StartHinderedError((problem,)) from error


class _Handlers(list[grpc.GenericRpcHandler]):
    """Stands in for a server while the servicers of gRPC's own services are registered."""

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        self.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Generated code offers the same methods once more by name."""


class _Recorder:
    """Stands in for a server while generated code registers a servicer's methods."""

    def __init__(self) -> None:
        self.services: dict[str, _Named] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Generated code offers the same methods once more by name, below."""

    def add_registered_method_handlers(self, service: str, handlers: _Named) -> None:
        self.services[service] = handlers


def _options(port: Port) -> list[tuple[str, int]]:
    """The bounds that gRPC's core keeps before a call is ours (docs/threat-model.md)."""
    age_ms = int(port.max_connection_age_seconds * 1000)
    return [
        ("grpc.so_reuseport", int(port.shared_port)),
        # Of a connection: how many there are, and how long it may take to begin or do nothing.
        ("grpc.max_allowed_incoming_connections", port.connections),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),  # TLS and the client's SETTINGS
        ("grpc.http2.settings_timeout", SETTINGS_ACK_MS),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.max_connection_age_ms", age_ms),
        *_ending_options(port),
        # Of what it may send. Unless told otherwise the core lets each connection send 4 MiB
        # ahead of what is read from it; now it is 64 KiB, and the message that is being read.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_receive_message_length", port.max_request_bytes),
        # gRPC bounds a message only once it is unpacked: packed ones are refused as they are.
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.max_concurrent_streams", MAX_OPEN_STREAMS // 4),  # of one connection
        # A connection with more PINGs than allowed is closed only once a write to it ends, and
        # until then each further PING adds to an error that the core keeps. Without a bound on
        # them, they are answered, and reading pauses while too many answers wait.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.enable_channelz", 0),  # it keeps records of each connection, for nobody
    ]


def _ending_options(port: Port) -> list[tuple[str, int]]:
    """What is done with a connection that is old, or whose client may be gone.

    An old connection takes no new call and ends once its calls have: those have deadlines. An
    open-ended stream is never cut for its connection's age; but a client that answers nothing
    would keep it for hours.
    """
    if not any(service.open_ended for service in port.services):
        return [("grpc.max_connection_age_grace_ms", int(port.max_deadline_seconds * 1000))]
    return [
        ("grpc.max_connection_age_grace_ms", _FOR_EVER_MS),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]
