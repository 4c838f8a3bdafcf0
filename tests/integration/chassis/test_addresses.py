"""Every kind of port listens on IPv6 addresses as it does on IPv4 ones."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.applications import Starlette

from chassis.addresses import host_and_port, listen
from chassis.grpc_client import open_channel
from chassis.grpc_server import GrpcServer, Port, Tls
from chassis.http_server import HttpServer
from chassis.metrics import Metrics
from chassis.operations import OperationsServer
from chassis.readiness import Readiness
from chassis.shared_ports import held_ports
from chassis.tls_files import CurrentTls
from tests.integration.chassis.certificates import Authority


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no address ::1")
HOSTS = ["::1", "[::1]", "::", "[::]"]


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("127.0.0.1", "127.0.0.1:9402"),
        ("localhost", "localhost:9402"),
        ("::1", "[::1]:9402"),
        ("[::1]", "[::1]:9402"),
        ("::", "[::]:9402"),
    ],
)
def test_an_ipv6_address_is_written_in_brackets(host: str, written: str) -> None:
    assert host_and_port(host, 9402) == written


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", {"127.0.0.1"}),
        ("0.0.0.0", {"127.0.0.1"}),
        ("localhost", {"127.0.0.1"}),
        ("::1", {"::1"}),
        ("[::1]", {"::1"}),
        ("::", {"::1", "127.0.0.1"}),
    ],
)
def test_it_is_reached_where_the_host_says(host: str, reached: set[str]) -> None:
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]

        assert {
            address for address in ("127.0.0.1", "::1") if answers(address, port)
        } == reached


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def grpc_server(
    host: str, port: int, tls: Tls, *, shared: bool = False
) -> AsyncIterator[int]:
    options = Port(host_and_port(host, port), tls, (), shared_port=shared)
    server = GrpcServer(options, frozenset(), Metrics())
    bound = await server.start()
    try:
        yield bound
    finally:
        await server.stop(0)


async def is_healthy(target: str, ca: Path) -> bool:
    async with open_channel(target, ca=ca) as channel:
        question = health_pb2.HealthCheckRequest()
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(question, timeout=10)
    serving: bool = answer.status == health_pb2.HealthCheckResponse.SERVING
    return serving


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls(authority: Authority) -> Tls:
    pair = authority.issue("localhost", "127.0.0.1", "::1")
    return Tls(pair.certificate, pair.private_key)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("target", ["[::1]:{}", "ipv6:[::1]:{}", "localhost:{}"])
async def test_a_grpc_port_is_called_by_its_ipv6_address(
    host: str, target: str, tls: Tls, authority: Authority
) -> None:
    async with grpc_server(host, 0, tls) as port:
        assert await is_healthy(target.format(port), authority.certificate)


@pytest.mark.parametrize("host", HOSTS)
async def test_workers_share_an_ipv6_port(host: str, tls: Tls, authority: Authority) -> None:
    with held_ports(host, {"clients": 0}, {"clients": "PORT"}) as ports:
        async with grpc_server(host, ports["clients"], tls, shared=True) as port:
            assert await is_healthy(f"[::1]:{port}", authority.certificate)


@pytest.mark.parametrize("host", HOSTS)
async def test_an_operations_port_answers_at_its_ipv6_address(host: str) -> None:
    server = OperationsServer(host, 0, metrics=Metrics(), readiness=Readiness({}))
    port = await server.start()
    try:
        reader, writer = await asyncio.open_connection("::1", port)
        writer.write(b"GET /readyz HTTP/1.1\r\nhost: [::1]\r\n\r\n")
        assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    finally:
        await server.stop()


@pytest.mark.parametrize("host", HOSTS)
async def test_an_https_port_answers_at_its_ipv6_address(host: str, tls: Tls) -> None:
    server = HttpServer(Starlette(), host, 0, tls=CurrentTls(tls))
    port = await server.start()
    try:
        reader, writer = await asyncio.open_connection("::1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")  # answered in plain HTTP
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    finally:
        await server.stop(1)


async def test_an_ipv6_address_that_no_certificate_bears_is_refused(
    authority: Authority,
) -> None:
    pair = authority.issue("localhost", "127.0.0.1")

    async with grpc_server("::1", 0, Tls(pair.certificate, pair.private_key)) as port:
        with pytest.raises(grpc.aio.AioRpcError):
            await is_healthy(f"[::1]:{port}", authority.certificate)
