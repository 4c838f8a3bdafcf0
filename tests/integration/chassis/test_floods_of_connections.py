"""Ports of HTTP count connections when they are accepted, whatever comes over them."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from chassis import http_server, operations
from chassis.acceptor import BACK_OFF_SECONDS, Acceptor
from chassis.connection_slots import ConnectionSlots, Slot
from chassis.descriptors import OPERATIONS_CONNECTIONS
from chassis.http_server import HttpServer
from chassis.metrics import Metrics
from chassis.operations import OperationsServer
from chassis.port_connections import PortConnections
from chassis.readiness import PartsFailingError, Readiness
from chassis.tls_files import CurrentTls, Tls
from tests.integration.chassis.certificates import Authority

LIMIT = 20
HANDSHAKE = 0.5
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # a ClientHello begins


class Flooded:
    """A server with few slots and a short time for handshakes."""

    def __init__(self, tls: Tls | None) -> None:
        self.refusals: list[str] = []
        self.slots = ConnectionSlots(LIMIT, refused=self.refusals.append)
        app = Starlette(routes=[Route("/", _hello)])
        current = CurrentTls(tls) if tls else None
        self.server = HttpServer(app, "127.0.0.1", 0, tls=current, slots=self.slots)
        self.port = 0

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        if sent:
            client.sendall(sent)
        return client

    async def until_open(self, number: int) -> None:
        async with asyncio.timeout(10):
            while self.slots.open != number:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.01)


async def _hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tls:
    monkeypatch.setattr(http_server, "HANDSHAKE_SECONDS", HANDSHAKE)
    pair = Authority(tmp_path).issue("localhost")
    return Tls(pair.certificate, pair.private_key)


@asynccontextmanager
async def _flooded(tls: Tls) -> AsyncIterator[Flooded]:
    made = Flooded(tls)
    made.port = await made.server.start()
    yield made
    await made.server.stop(1)


@pytest.fixture
async def flooded(tls: Tls) -> AsyncIterator[Flooded]:
    async with _flooded(tls) as made:
        yield made


@pytest.mark.parametrize("sent", [b"", HELLO, b"GET / HT"], ids=["bare", "hello", "plain"])
async def test_connections_without_tls_are_counted_and_end_after_the_handshakes_time(
    flooded: Flooded, sent: bytes
) -> None:
    with ExitStack() as held:
        for _ in range(LIMIT):
            held.enter_context(flooded.connect(sent))
        await flooded.until_open(LIMIT)
        beyond = held.enter_context(flooded.connect())
        with pytest.raises(ConnectionResetError):
            await asyncio.to_thread(beyond.recv, 1)

        await flooded.until_open(0)

    assert flooded.refusals == ["connections"] + ["handshake"] * LIMIT


async def test_a_client_that_sends_its_hello_byte_by_byte_is_cut_off(flooded: Flooded) -> None:
    with flooded.connect() as client:
        started = asyncio.get_running_loop().time()
        with suppress(OSError):
            for at in range(1_000):
                client.sendall(HELLO[at % len(HELLO) :][:1] if at < len(HELLO) else b"\x00")
                await asyncio.sleep(0.05)
        seconds = asyncio.get_running_loop().time() - started

    assert seconds < HANDSHAKE + 1
    await flooded.until_open(0)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_client_that_leaves_during_the_handshake_leaves_no_slot_taken(
    tls: Tls, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """On uvloop, as the gateway runs, some of these handshakes end without an error."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_leave_during_handshakes(tls))


async def _leave_during_handshakes(tls: Tls) -> None:
    async with _flooded(tls) as flooded:
        for sent in (b"", HELLO, b"\x00" * 5):
            flooded.connect(sent).close()
            with flooded.connect(sent) as half_closed:
                half_closed.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(10):
            while len(flooded.refusals) < 6:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.01)
        assert set(flooded.refusals) == {"handshake"}
        assert flooded.slots.open == 0


async def test_after_a_flood_everything_is_served_as_before(flooded: Flooded) -> None:
    before = _open_files()
    with ExitStack() as held:
        for _ in range(10 * LIMIT):
            held.enter_context(flooded.connect())
        await flooded.until_open(LIMIT)
    await flooded.until_open(0)

    async with httpx2.AsyncClient(verify=_trusting_all()) as client:
        answer = await client.get(f"https://127.0.0.1:{flooded.port}/")

    assert answer.text == "hello"
    assert _open_files() <= before + 2


async def test_a_stop_does_not_wait_for_handshakes(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HANDSHAKE_SECONDS", 60)
    with flooded.connect(HELLO):
        await flooded.until_open(1)
        started = asyncio.get_running_loop().time()
        await flooded.server.stop(20)

    assert asyncio.get_running_loop().time() - started < 5
    assert flooded.slots.open == 0


async def test_a_port_without_tls_counts_its_connections_too() -> None:
    plain = Flooded(None)
    plain.port = await plain.server.start()
    with plain.connect():
        await plain.until_open(1)
    await plain.until_open(0)
    await plain.server.stop(1)


async def test_the_operations_port_bounds_its_connections_and_how_long_they_are_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "HEAD_SECONDS", 0.5)
    metrics = Metrics()
    server = OperationsServer("127.0.0.1", 0, metrics=metrics, readiness=Readiness({}))
    port = await server.start()
    with ExitStack() as held:
        clients = [
            held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(OPERATIONS_CONNECTIONS + 5)
        ]
        for client in clients[-5:]:
            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(client.recv, 1)
        for client in clients[:-5]:
            assert await asyncio.to_thread(client.recv, 1) == b""

    async with httpx2.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    await server.stop()

    assert 'port_refusals_total{port="operations",reason="connections"} 5.0' in text


async def test_an_operations_client_that_does_not_read_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "REQUEST_TIMEOUT_SECONDS", 0.5)
    metrics = Metrics()
    metrics.gauge("large", "x" * 10_000_000, ())
    server = OperationsServer("127.0.0.1", 0, metrics=metrics, readiness=Readiness({}))
    port = await server.start()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    await asyncio.sleep(1)

    with client:
        received = await asyncio.to_thread(_everything, client)
    await server.stop()

    assert len(received) < 10_000_000


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _everything(client: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionError):
        while part := client.recv(65_536):
            received += part
    return received


class BrokenListener:
    """A listener whose next accept() fails in given ways."""

    def __init__(self, real: socket.socket, errors: list[int]) -> None:
        self._real, self._errors = real, errors

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self._errors:
            number = self._errors.pop()
            raise OSError(number, os.strerror(number))
        return self._real.accept()

    def fileno(self) -> int:
        return self._real.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  # socket's own way
        self._real.setblocking(flag)

    def close(self) -> None:
        self._real.close()


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED]
)
async def test_accepting_goes_on_after_an_error(number: int) -> None:
    accepted = asyncio.Queue[str]()
    listener = socket.create_server(("127.0.0.1", 0))
    broken = BrokenListener(listener, [number, number])

    async def serve(connection: socket.socket, slot: Slot) -> None:
        accepted.put_nowait(connection.getpeername()[0])
        connection.close()
        slot.release()

    slots = ConnectionSlots(1)
    acceptor = Acceptor(broken, slots, serve)  # type: ignore[arg-type]  # all of a socket that it uses
    with capture_logs() as lines:
        acceptor.start()
        with socket.create_connection(listener.getsockname()):
            async with asyncio.timeout(10 * BACK_OFF_SECONDS):
                assert await accepted.get() == "127.0.0.1"
        acceptor.close()

    warned = [line["event"] for line in lines]
    quiet = number == errno.ECONNABORTED
    assert warned == ([] if quiet else ["connections cannot be accepted"])


async def test_a_full_port_is_not_ready_and_is_logged_once() -> None:
    connections, count = PortConnections(), 3
    connections.add("gateway", 4, lambda: count)
    await connections.check("gateway")()
    count = 4

    with capture_logs() as lines:
        await connections.look()
        await connections.look()
        count = 0
        with pytest.raises(PartsFailingError, match="part") as failed:
            await connections.check("gateway")()

    assert failed.value.parts == ("connection limit reached",)
    assert [line["event"] for line in lines] == ["connection limit reached"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_connections_of_a_port_of_others_making_are_counted(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family)
    connections = PortConnections()
    connections.add_grpc("clients", 100, listener.getsockname()[1])
    with ExitStack() as held:
        held.enter_context(listener)
        for _ in range(70):
            held.enter_context(socket.create_connection(listener.getsockname()[:2]))
            held.enter_context(listener.accept()[0])
        await connections.look()

        (open_now, limits) = connections.collect()

        assert [(s.labels["port"], s.value) for s in open_now.samples] == [("clients", 70)]
        assert [s.value for s in limits.samples] == [100]


async def test_what_the_system_does_not_tell_is_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("chassis.own_sockets._DESCRIPTORS", tmp_path / "missing")
    connections = PortConnections()
    connections.add_grpc("clients", 100, 1)
    await connections.look()

    (open_now, _) = connections.collect()

    assert open_now.samples == []
    await connections.check("clients")()


def _trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
