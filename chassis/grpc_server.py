"""One gRPC port: TLS, health, reflection, bounds, graceful end.

- It does not start unless exactly the declared services are registered.
- Everything around a method's own work is in chassis/grpc_methods.py.
- There is no port without TLS.

    service = Service(NAME, add_XServicer_to_server, servicer)
    server = GrpcServer(Port("127.0.0.1:0", tls, (service,)), frozenset({NAME}), metrics)
    port = await server.start()
"""

import asyncio
import gc
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from chassis import reflection
from chassis.accept_mode import AcceptMode
from chassis.accept_modes import new_server
from chassis.config import StartHinderedError
from chassis.flood_control import FloodControl
from chassis.grpc_calls import METADATA_BYTES
from chassis.grpc_health import ReadinessHealth
from chassis.grpc_methods import Handler, Method, Methods
from chassis.identity import Authenticator
from chassis.in_flight import InFlight, Limits, MethodContext, PortContext
from chassis.lasting_server import LastingServer
from chassis.metrics import Metrics
from chassis.peers import peer_sans
from chassis.readiness import Readiness
from chassis.shared_ports import check_free
from chassis.tls_files import CurrentTls, RotatingTls, Tls
from chassis.verification_budget import VerificationBudget

__all__ = [
    "EVERY_METHOD",
    "GrpcServer",
    "Port",
    "Service",
    "ServiceNotDeclaredError",
    "Tls",
    "peer_sans",
]

HEALTH_SERVICE = "grpc.health.v1.Health"
# Of one connection: requests that gRPC's core takes in before they are accepted here.
STREAMS_PER_CONNECTION = 1_024
COLLECT_SECONDS = 1.0
ACCEPT_SECONDS = 2.0  # for calls that have come before the end
QUIET_SECONDS = 0.03  # longer than a step of a backoff
QUIET_PERIODS = 2  # without a call: none waits in the core, and none is on its way to a method
STREAMS_GRACE_SECONDS = 1.0  # for the last words to streams, once no call is left
HANDSHAKE_MS = 5_000
SETTINGS_ACK_MS = 5_000
IDLE_MS = 60_000  # of a connection without a call; its client makes another one
_NO_END_SECONDS = 86_400.0  # the grace is counted here
_FOR_EVER_MS = 2**31 - 1
_IDENTITY_ONLY = 1 << grpc.Compression.NoCompression.value

# Health and reflection are for everyone, so they have small bounds of their own, and no address
# has all of it (chassis/admission.py).
DEFAULT_LIMITS = Limits()
HEALTH_LIMITS = Limits(concurrent_calls=256, concurrent_streams=256)
REFLECTION_LIMITS = Limits(concurrent_streams=32, idle_seconds=10.0)


class _EveryMethod:
    def __contains__(self, _name: object) -> bool:
        return True


EVERY_METHOD: Container[str] = _EveryMethod()

_Named = Mapping[str, Handler]


@dataclass(frozen=True)
class Service:
    """One gRPC service: its full name, the generated add function, and who serves it.

    With `peers`, only a peer whose certificate bears one of these SANs may call it, and none if
    the set is empty; None is for everyone. Every method needs a valid token but those of
    `without_token`. The streams of `open_ended` methods last as long as their callers want
    them: they end early only when the server drains.
    """

    name: str
    add: Callable[[Any, Any], None]
    servicer: object
    peers: frozenset[str] | None = None
    open_ended: frozenset[str] = frozenset()
    without_token: Container[str] = ()


@dataclass(frozen=True)
class Port:
    """One listening port and its bounds. Port 0 in the address picks a free one.

    Without an `authenticator` no method that needs a token can be called.
    """

    address: str
    tls: Tls
    services: tuple[Service, ...]
    authenticator: Authenticator | None = None
    accept_mode: AcceptMode = AcceptMode.AUTO
    reflection: bool = False
    max_request_bytes: int = 4 * 1024 * 1024
    max_connection_age_seconds: float = 300
    limits: Limits = DEFAULT_LIMITS
    connections: int = 1_000  # open at a time; one more is closed as it is accepted
    flood_block_seconds: float = 10.0  # for sources that flood; 0 blocks none
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
        self._readiness = readiness or Readiness({})
        self._health = ReadinessHealth(self._readiness, declared)
        self._in_flight = InFlight(port.limits)
        flood_refused = partial(metrics.refused, port.name, "flood")
        self._floods = FloodControl(port.flood_block_seconds, port.connections, flood_refused)
        self._for_everyone: list[InFlight] = []
        self._methods: dict[str, Method] = {}
        self._running: _Running | None = None
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> int:
        """The bound port's number; from now on calls are answered.

        Raises ServiceNotDeclaredError; StartRefusedError if the TLS files are not usable or the
        address is not free.
        """
        port = self._port
        server = LastingServer(
            partial(new_server, port.accept_mode, _options(port)),
            ended=partial(self._metrics.refused, port.name, "server ended"),
        )
        methods = Methods(self._methods, self._register_all(server.back_off))
        credentials = self._credentials()
        try:
            bound = await server.start(_address(port), credentials, (methods,))
        except RuntimeError as error:
            problem = f"cannot listen on {port.address}: gRPC refuses it (see {port.setting})"
            raise StartHinderedError((problem,)) from error
        self._readiness.add(f"port of {port.name}", server.check)
        self._running = _Running(server, methods)
        self._background = [
            asyncio.create_task(work)
            for work in (
                self._health.follow(),
                self._running.collect_young_objects(),
                self._floods.watch(bound),
            )
        ]
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """Calls under way have ended, or been cancelled after `grace_seconds`.

        Calls that have come are accepted first. Then open-ended streams end: their callers are
        to go on elsewhere. One whose caller does not read is cut once there is no call to wait
        for.
        """
        if self._running is None:
            return
        running = self._running
        for task in self._background:
            task.cancel()
        began = time.monotonic()
        await self._health.drain()
        running.server.stop_backing_off()
        await running.until_quiet(min(ACCEPT_SECONDS, grace_seconds))
        for in_flight in (self._in_flight, *self._for_everyone):
            in_flight.drain()
        grace_seconds = max(0.0, grace_seconds - (time.monotonic() - began))
        stopped = asyncio.ensure_future(running.server.stop(_NO_END_SECONDS))
        calls_ended = asyncio.ensure_future(self._in_flight.calls_ended.wait())
        await asyncio.wait(
            (stopped, calls_ended),
            timeout=grace_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        last_words = STREAMS_GRACE_SECONDS if calls_ended.done() else 0
        calls_ended.cancel()
        await asyncio.wait((stopped,), timeout=min(last_words, grace_seconds))
        if not stopped.done():
            # Without a grace it cancels before it awaits anything but its turn: the first
            # stop() cannot end and free the server in between, as if both had a timer.
            await running.server.stop(None)
        await stopped

    def _register_all(self, back_off: Callable[[], None]) -> PortContext:
        """What the calls of all methods share. Raises ServiceNotDeclaredError."""
        context = PortContext(
            name=self._port.name,
            metrics=self._metrics,
            authenticator=self._port.authenticator,
            budget=VerificationBudget(time.monotonic),
            floods=self._floods,
            back_off=back_off,
        )
        registered = self._register(self._port.services, context, self._in_flight)
        if registered != self._declared:
            names = ", ".join(sorted(registered ^ self._declared))
            raise ServiceNotDeclaredError(f"either not declared or not registered: {names}")
        self._register_for_everyone(context)
        return context

    def _credentials(self) -> Callable[[], grpc.ServerCredentials]:
        """Raises TlsFilesError."""
        name, tls = self._port.name, self._port.tls
        current, used = CurrentTls(tls), self._metrics.certificates
        used.add(name, tls.certificate_chain, lambda: current.contents().certificates)
        if tls.client_ca is not None:
            used.add(f"{name} CA", tls.client_ca, lambda: current.contents().authorities)
        mutual = tls.client_ca is not None
        return lambda: RotatingTls(current, client_certificates=mutual).credentials()

    def _register(
        self, services: Iterable[Service], port: PortContext, in_flight: InFlight
    ) -> frozenset[str]:
        registered: set[str] = set()
        for service in services:
            recorder = _Recorder()
            service.add(service.servicer, recorder)
            for name, named in recorder.services.items():
                registered.add(name)
                for method, handler in named.items():
                    context = MethodContext(
                        service=name,
                        method=method,
                        port=port,
                        in_flight=in_flight,
                        needs_token=method not in service.without_token,
                        peers=service.peers,
                        open_ended=method in service.open_ended,
                    )
                    self._methods[context.rpc] = Method(handler, context)
        return frozenset(registered)

    def _register_for_everyone(self, port: PortContext) -> None:
        health = Service(
            HEALTH_SERVICE,
            health_pb2_grpc.add_HealthServicer_to_server,
            self._health,
            open_ended=frozenset({"Watch"}),
            without_token=EVERY_METHOD,
        )
        described = Service(
            reflection.V1,
            reflection.add_reflection,
            reflection.Reflection((*self._declared, HEALTH_SERVICE)),
            open_ended=frozenset({reflection.METHOD}),
            without_token=EVERY_METHOD,
        )
        bounded = [(health, HEALTH_LIMITS)]
        if self._port.reflection:
            bounded.append((described, REFLECTION_LIMITS))
        for service, limits in bounded:
            in_flight = InFlight(limits)
            self._register((service,), port, in_flight)
            self._for_everyone.append(in_flight)


@dataclass(frozen=True, slots=True)
class _Running:
    """What there is between start() and stop()."""

    server: LastingServer
    methods: Methods

    async def collect_young_objects(self) -> None:
        """No object of a call that has ended is kept for longer than COLLECT_SECONDS.

        grpc.aio looks for a call's handler in a circle of references, in which the call's
        headers are, the token among them. Until cancelled.
        """
        before = 0
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            if self.methods.arrived > before:
                before = self.methods.arrived
                gc.collect(0)

    async def until_quiet(self, seconds: float) -> None:
        """What waited in the core has been accepted, or so many `seconds` have passed."""
        end, before, quiet = time.monotonic() + seconds, self.methods.arrived, 0
        while quiet < QUIET_PERIODS and time.monotonic() < end:
            await asyncio.sleep(QUIET_SECONDS)
            quiet = quiet + 1 if self.methods.arrived == before else 0
            before = self.methods.arrived


def _address(port: Port) -> str:
    """Where the port listens. Raises StartRefusedError if it is not free."""
    host, _, number = port.address.rpartition(":")
    if not port.shared_port:  # gRPC does not tell why an address cannot be had
        check_free(host, int(number), port.setting)
    return port.address


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
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),  # of one connection
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
        return [
            ("grpc.max_connection_age_grace_ms", int(port.limits.max_deadline_seconds * 1000))
        ]
    return [
        ("grpc.max_connection_age_grace_ms", _FOR_EVER_MS),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]
