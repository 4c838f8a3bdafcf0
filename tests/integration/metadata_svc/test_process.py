"""`python -m metadata_svc` as an operator meets it."""

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from chassis.errors import ResourceExhaustedError, UnavailableError
from chassis.grpc_client import call, open_channel, stream
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_values_pb2, secure_values_pb2_grpc
from tests.integration.metadata_svc.wire import Credentials

PREFIX = "SPLITKEEP_METADATA_"
READY_SECONDS = 30.0
DRAIN_SECONDS = 10.0  # the default


@pytest.fixture
async def empty_dsn(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    name = f"test_{uuid4().hex}"
    server = await asyncpg.connect(metadata_server_dsn.reveal())
    await server.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(metadata_server_dsn.reveal())
    yield Sensitive(urlunsplit(parts._replace(path=f"/{name}")))
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


def environment(dsn: Sensitive[str], credentials: Credentials, folder: Path) -> dict[str, str]:
    config = credentials.config(dsn)
    (folder / "dsn").write_text(dsn.reveal() + "\n")
    (folder / "dsn").chmod(0o600)
    fields = (
        *("tls_certificate", "tls_private_key", "peer_tls_certificate"),
        *("peer_tls_private_key", "peer_ca", "issuers"),
    )
    ports = dict.fromkeys(("PORT", "PEER_PORT", "OPERATIONS_PORT"), "0")
    return {
        **{PREFIX + name: value for name, value in ports.items()},
        **{PREFIX + field.upper(): str(getattr(config, field)) for field in fields},
        PREFIX + "WORKERS": "1",
        PREFIX + "DSN_FILE": str(folder / "dsn"),
        PREFIX + "READY_FILE": str(folder / "ready.json"),
    }


@asynccontextmanager
async def running(
    variables: Mapping[str, str], *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "metadata_svc",
        *arguments,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def finished(variables: Mapping[str, str], *arguments: str) -> tuple[int | None, str]:
    async with running(variables, *arguments) as process:
        out, log = await process.communicate()
        assert out == b""
        return process.returncode, log.decode()


async def ready(folder: Path) -> dict[str, int]:
    async with asyncio.timeout(READY_SECONDS):
        while not (folder / "ready.json").exists():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.05)
    ports: dict[str, int] = json.loads((folder / "ready.json").read_text())
    return ports


def fetched(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


@asynccontextmanager
async def watching(credentials: Credentials, port: int) -> AsyncIterator[AsyncIterator[Any]]:
    request = secure_values_pb2.WatchSecureValuesRequest(namespace="default", initial=True)
    async with open_channel(f"localhost:{port}", ca=credentials.clients.certificate) as channel:
        stub = secure_values_pb2_grpc.SecureValuesStub(channel)
        yield stream(
            stub.WatchSecureValues,
            request,
            deadline_seconds=READY_SECONDS,
            token=credentials.token(),
        )


async def test_it_migrates_serves_and_drains(empty_dsn: Sensitive[str], tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    variables = environment(empty_dsn, credentials, tmp_path)
    dsn_only = {PREFIX + "DSN_FILE": variables[PREFIX + "DSN_FILE"]}

    first = await finished(dsn_only, "migrate")
    second = await finished(variables, "migrate")
    async with running(variables) as process:
        ports = await ready(tmp_path)
        listed = await _list(credentials, ports["clients"])
        with pytest.raises(ResourceExhaustedError):
            await _list(credentials, ports["clients"], after_name="x" * 1024 * 1024)
        health = await asyncio.to_thread(fetched, ports["operations"], "/readyz")
        async with watching(credentials, ports["clients"]) as events:
            assert (await anext(events)).initial_end
            metrics = await asyncio.to_thread(fetched, ports["operations"], "/metrics")
            async with asyncio.timeout(DRAIN_SECONDS / 2):
                process.send_signal(signal.SIGTERM)
                with pytest.raises(UnavailableError):
                    await anext(events)
                out, log = await process.communicate()

    assert (first[0], second[0], process.returncode, out) == (0, 0, 0, b"")
    assert "0001_secure_values.sql" in first[1]
    assert "0001" not in second[1]
    assert (list(listed.secure_values), listed.resource_version) == ([], 0)
    assert json.loads(health)["ready"] is True
    assert 'method="ListSecureValues"' in metrics
    assert "\nmetadata_watchers 1.0\n" in metrics
    lines = [json.loads(line) for line in log.decode().splitlines()]
    assert [line["event"] for line in lines if "clients" in line] == ["ready"]
    assert set(ports) == {"clients", "peer", "operations"}


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
async def test_its_ports_are_at_an_ipv6_address(
    empty_dsn: Sensitive[str], tmp_path: Path, host: str
) -> None:
    variables = environment(empty_dsn, Credentials(tmp_path), tmp_path) | {
        PREFIX + "HOST": host
    }
    assert (await finished(variables, "migrate"))[0] == 0

    async with running(variables):
        for port in (await ready(tmp_path)).values():
            socket.create_connection(("::1", port), 5).close()


async def test_it_refuses_to_start_on_a_database_without_its_schema(
    empty_dsn: Sensitive[str], tmp_path: Path
) -> None:
    code, log = await finished(environment(empty_dsn, Credentials(tmp_path), tmp_path))

    assert code == 2
    assert "start refused" in log


async def test_it_lists_every_problem_of_its_configuration_and_no_value(
    tmp_path: Path,
) -> None:
    variables = {
        PREFIX + "PORT": "canary",
        PREFIX + "ISUERS": "x",
        PREFIX + "REFLECTION": "canary",
    }

    code, log = await finished(variables)

    problems = " ".join(json.loads(log)["problems"])
    assert code == 2
    assert "canary" not in log
    for name in ("PORT", "ISUERS", "REFLECTION", "DSN", "PEER_CA", "TLS_CERTIFICATE"):
        assert PREFIX + name in problems


async def _list(
    credentials: Credentials, port: int, *, after_name: str = ""
) -> secure_values_pb2.ListSecureValuesResponse:
    channel = open_channel(f"localhost:{port}", ca=credentials.clients.certificate)
    try:
        return await call(
            secure_values_pb2_grpc.SecureValuesStub(channel).ListSecureValues,
            secure_values_pb2.ListSecureValuesRequest(
                namespace="default", after_name=after_name
            ),
            deadline_seconds=5,
            token=credentials.token(),
        )
    finally:
        await channel.close()
