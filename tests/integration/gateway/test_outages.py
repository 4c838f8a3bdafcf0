"""Services that are not there, clients that are slow, a process that is told to stop."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.bodies import body
from tests.fakes.gateway.services import ADMIN
from tests.integration.gateway.conftest import (
    VALUES,
    Certificates,
    Gateway,
    running_gateway,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_ready_names_the_service_that_is_down_and_alive_does_not(
    certificates: Certificates,
) -> None:
    async with running_gateway(certificates) as gateway, gateway.http(token=None) as http:
        await gateway.vault.stop(0)

        ready, alive = await http.get("/readyz"), await http.get("/healthz")
        grafanas = await http.get("/api/health")

    assert (ready.status_code, ready.json()["reason"]) == (503, "ServiceUnavailable")
    assert ready.json()["message"] == "not ready: vault"
    assert (alive.status_code, alive.text) == (200, "ok")
    assert (grafanas.status_code, grafanas.json()["database"]) == (503, "failing")


async def test_all_services_there_is_ready(certificates: Certificates) -> None:
    async with running_gateway(certificates) as gateway, gateway.http(token=None) as http:
        answer = await http.get("/readyz")

    assert (answer.status_code, answer.text) == (200, "ok")


async def test_without_metadata_reads_are_unavailable_within_the_deadline(
    certificates: Certificates,
) -> None:
    async with running_gateway(certificates) as gateway, gateway.http() as http:
        await gateway.metadata.stop(0)
        started = asyncio.get_running_loop().time()

        answer = await http.get(VALUES)

        assert asyncio.get_running_loop().time() - started < 4

    assert (answer.status_code, answer.json()["reason"]) == (503, "ServiceUnavailable")
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["message"] == "the service is temporarily unavailable"


async def test_a_body_that_does_not_come_is_not_waited_for(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.2)
    head = f"POST {VALUES} HTTP/1.1\r\nHost: h\r\nX-Access-Token: {ADMIN}\r\n"

    async with running_gateway(certificates) as gateway:
        _, received = await gateway.exchange(f"{head}Content-Length: 100\r\n\r\n{{".encode())

    assert received.startswith(b"HTTP/1.1 408 ")
    assert gateway.store.calls == []


async def test_more_requests_than_there_is_room_for_are_told_to_come_again(
    certificates: Certificates,
) -> None:
    head = f"POST {VALUES} HTTP/1.1\r\nHost: h\r\nX-Access-Token: {ADMIN}\r\n"
    waiting = f"{head}Content-Length: 100\r\n\r\n".encode()

    async with running_gateway(certificates) as gateway:
        held = [
            await asyncio.open_connection("localhost", gateway.port, ssl=gateway.tls)
            for _ in range(8)
        ]
        for _, writer in held:
            writer.write(waiting)
            await writer.drain()
        async with gateway.http() as http:
            refused = await until_refused(http)
            alive = await http.get("/healthz")
        for _, writer in held:
            writer.close()

    assert (refused.json()["reason"], refused.headers["retry-after"]) == (
        "TooManyRequests",
        "1",
    )
    assert alive.status_code == 200


async def until_refused(http: httpx2.AsyncClient) -> httpx2.Response:
    """The held requests arrive in their own time."""
    async with asyncio.timeout(5):
        while (answer := await http.get(VALUES)).status_code != 429:
            pass
    return answer


def environment(gateway: Gateway, certificates: Certificates, ready: Path) -> dict[str, str]:
    own = {
        "PORT": "0",
        "OPERATIONS_PORT": "0",
        "TLS_CERTIFICATE": str(certificates.tls.certificate_chain),
        "TLS_PRIVATE_KEY": str(certificates.tls.private_key),
        "METADATA_TARGET": f"localhost:{gateway.metadata_port}",
        "VAULT_TARGET": f"localhost:{gateway.vault_port}",
        "CA": str(certificates.ca),
        "READY_FILE": str(ready),
    }
    named = {f"SPLITKEEP_GATEWAY_{name}": value for name, value in own.items()}
    return {**os.environ, **named}


@asynccontextmanager
async def running_process(told: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway"), env=told, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_ready(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stderr is not None
    line: dict[str, Any] = {}
    while line.get("event") != "ready":
        line = json.loads(await process.stderr.readline())
    return line


async def test_the_process_serves_tells_its_ports_and_drains(
    certificates: Certificates, tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"
    async with running_gateway(certificates) as behind:
        told = environment(behind, certificates, ready)
        async with running_process(told) as process:
            line = await asyncio.wait_for(until_ready(process), 20)
            ports = json.loads(ready.read_text())
            async with httpx2.AsyncClient(verify=behind.tls) as http:
                headers = {"X-Access-Token": ADMIN}
                base = f"https://localhost:{ports['https']}"
                listed = await http.get(base + VALUES, headers=headers)
                prepared = await http.get(f"http://127.0.0.1:{ports['operations']}/readyz")
            process.send_signal(signal.SIGTERM)
            _, logged = await asyncio.wait_for(process.communicate(), 20)

    assert line["event"] == "ready"
    assert {name: line[name] for name in ports} == ports
    assert (listed.status_code, prepared.status_code) == (200, 200)
    assert process.returncode == 0
    assert ADMIN.encode() not in logged


async def test_a_wrong_configuration_is_told_whole_and_without_values() -> None:
    wrong = {"SPLITKEEP_GATEWAY_PORTT": "1", "SPLITKEEP_GATEWAY_PORT": "secret-ish"}

    async with running_process({**os.environ, **wrong}) as process:
        _, logged = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 2
    for name in (b"PORTT", b"GATEWAY_PORT ", b"TLS_CERTIFICATE", b"METADATA_TARGET", b"CA "):
        assert name in logged
    assert b"secret-ish" not in logged
