"""The vault as a process: what it starts with, what it refuses, how it ends."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from secrets import token_bytes
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from chassis.grpc_client import call, open_channel
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from protos.splitkeep.vault.v1 import decrypter_pb2, secure_values_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE
from tests.integration.vault_svc.installation import Installation

ROOT = Path(__file__).parents[3]
START_SECONDS = 60


class Process:
    """One vault process and its log."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.lines: list[dict[str, Any]] = []

    @classmethod
    async def start(cls, environment: dict[str, str], *arguments: str) -> "Process":
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SPLITKEEP_")}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "vault_svc",
                *arguments,
                cwd=ROOT,
                env=clean | environment,
                stderr=asyncio.subprocess.PIPE,
            )
        )

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line of the log for which it holds."""
        assert self.child.stderr
        async with asyncio.timeout(START_SECONDS):
            while raw := await self.child.stderr.readline():
                self.lines.append(json.loads(raw))
                if holds(self.lines[-1]):
                    return self.lines[-1]
        raise AssertionError(f"the log ended before that: {self.lines}")

    async def ready(self) -> dict[str, int]:
        line = await self.until(lambda line: line["event"] == "ready")
        return {name: line[name] for name in ("clients", "operations")}

    async def ended(self) -> int:
        async with asyncio.timeout(START_SECONDS):
            assert self.child.stderr
            rest = await self.child.stderr.read()
            self.lines += [json.loads(line) for line in rest.splitlines()]
            return await self.child.wait()


Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts processes, none of which outlives its test."""
    started: list[Process] = []

    async def one_more(environment: dict[str, str], *arguments: str) -> Process:
        started.append(await Process.start(environment, *arguments))
        return started[-1]

    yield one_more
    for process in started:
        if process.child.returncode is None:
            process.child.kill()
            await process.ended()


@pytest.fixture
def environment(
    installation: Installation, vault_dsn: Sensitive[str], peer_port: int
) -> dict[str, str]:
    return installation.environment(
        DSN=vault_dsn.reveal(),
        METADATA_TARGET=f"127.0.0.1:{peer_port}",
        RECOVERY_WINDOW_SECONDS="0",
        UNCLAIMED_AGE_SECONDS="0",
        SWEEP_INTERVAL_SECONDS="0.1",
    )


async def test_it_serves_writes_ready_sweeps_and_drains(
    start: Start,
    environment: dict[str, str],
    installation: Installation,
    known: InMemoryMetadata,
    database: Database,
) -> None:
    process = await start(environment)
    ports = await process.ready()
    target = f"127.0.0.1:{ports['clients']}"

    async with open_channel(target, ca=installation.ca) as channel:
        draft = secure_value_pb2.SecureValueDraft(
            namespace=NAMESPACE, name="a", description="d", decrypters=[IDENTITY]
        )
        await call(
            SecureValuesStub(channel).CreateSecureValue,
            secure_values_pb2.CreateSecureValueRequest(draft=draft, value=b"hunter2"),
            deadline_seconds=10,
            token=installation.writer(),
        )
        answer = await call(
            DecrypterStub(channel).DecryptSecureValues,
            decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=["a"]),
            deadline_seconds=10,
            token=installation.token(),
        )
        known.delete(NAMESPACE, "a")
        swept = await process.until(lambda line: line["event"] == "swept")
    process.child.send_signal(signal.SIGTERM)

    assert json.loads((installation.folder / "ready.json").read_text()) == ports
    assert answer.results[0].value == b"hunter2"
    assert swept["erased_count"] == 1
    assert await process.ended() == 0
    assert await database.fetch("SELECT * FROM sealed_values") == []


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
async def test_its_ports_are_at_an_ipv6_address(
    start: Start, environment: dict[str, str], host: str
) -> None:
    process = await start({**environment, "SPLITKEEP_VAULT_HOST": host})

    for port in (await process.ready()).values():
        socket.create_connection(("::1", port), 5).close()


async def test_it_refuses_to_start_without_a_configuration_and_lists_all_problems(
    start: Start,
) -> None:
    process = await start({"SPLITKEEP_VAULT_PROT": "1"})

    assert await process.ended() == 2
    problems = " ".join(process.lines[-1]["problems"])
    for variable in ("DSN", "KEK_FILE", "ISSUERS", "METADATA_TARGET", "PROT is not known"):
        assert f"SPLITKEEP_VAULT_{variable}" in problems


async def test_it_refuses_to_start_with_a_kek_that_does_not_unwrap_what_names_it(
    start: Start, environment: dict[str, str], installation: Installation, database: Database
) -> None:
    process = await start(environment)
    ports = await process.ready()
    async with open_channel(f"127.0.0.1:{ports['clients']}", ca=installation.ca) as channel:
        draft = secure_value_pb2.SecureValueDraft(
            namespace=NAMESPACE, name="a", description="d"
        )
        await call(
            SecureValuesStub(channel).CreateSecureValue,
            secure_values_pb2.CreateSecureValueRequest(draft=draft, value=b"hunter2"),
            deadline_seconds=10,
            token=installation.writer(),
        )
    process.child.terminate()
    await process.ended()
    keks = {"active": "local-1", "keks": {"local-1": b64encode(token_bytes(32)).decode()}}
    installation.kek_file.write_text(json.dumps(keks))

    again = await start(environment)

    assert await again.ended() == 2
    assert "KEK local-1: " in again.lines[-1]["problems"][0]


async def test_it_starts_without_a_kek_that_is_declared_lost_and_writes_go_on(
    start: Start,
    environment: dict[str, str],
    installation: Installation,
    database: Database,
) -> None:
    process = await start(environment)
    await written(installation, await process.ready(), "old", b"hunter2")
    process.child.terminate()
    await process.ended()
    keks = {"active": "local-2", "keks": {"local-2": b64encode(token_bytes(32)).decode()}}
    installation.kek_file.write_text(json.dumps(keks))

    refused = await start(environment)
    assert await refused.ended() == 2
    told = " ".join(refused.lines[-1]["problems"])
    for part in ("KEK local-1: ", "of 1 namespaces", "SPLITKEEP_VAULT_KEKS_LOST"):
        assert part in told

    again = await start(environment | {"SPLITKEEP_VAULT_KEKS_LOST": "local-1"})
    ports = await again.ready()
    await written(installation, ports, "new", b"hunter3")
    answers = await decrypted(installation, ports, "old", "new")
    async with httpx2.AsyncClient() as http:
        metrics = await http.get(f"http://127.0.0.1:{ports['operations']}/metrics")

    assert [(answer.failure, answer.value) for answer in answers] == [
        (decrypter_pb2.DECRYPT_FAILURE_DECRYPTION_FAILED, b""),
        (decrypter_pb2.DECRYPT_FAILURE_UNSPECIFIED, b"hunter3"),
    ]
    assert 'vault_lost_kek_namespaces{kek_id="local-1"} 1.0' in metrics.text
    assert any(line["event"].startswith("started without a lost KEK") for line in again.lines)


async def written(
    installation: Installation, ports: dict[str, int], name: str, value: bytes
) -> None:
    async with open_channel(f"127.0.0.1:{ports['clients']}", ca=installation.ca) as channel:
        draft = secure_value_pb2.SecureValueDraft(
            namespace=NAMESPACE, name=name, description="d", decrypters=[IDENTITY]
        )
        await call(
            SecureValuesStub(channel).CreateSecureValue,
            secure_values_pb2.CreateSecureValueRequest(draft=draft, value=value),
            deadline_seconds=10,
            token=installation.writer(),
        )


async def decrypted(installation: Installation, ports: dict[str, int], *names: str) -> Any:
    async with open_channel(f"127.0.0.1:{ports['clients']}", ca=installation.ca) as channel:
        answer = await call(
            DecrypterStub(channel).DecryptSecureValues,
            decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=names),
            deadline_seconds=10,
            token=installation.token(),
        )
    return answer.results


async def test_it_serves_with_the_documented_settings_that_wipe_freed_memory(
    start: Start, environment: dict[str, str], installation: Installation
) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("## Memory that was freed")[2].partition("\n## ")[0]
    settings = dict(re.findall(r"^export (\w+)=(\S+)$", section, re.MULTILINE))

    process = await start(environment | settings)
    ports = await process.ready()
    await written(installation, ports, "a", b"hunter2")
    (answer,) = await decrypted(installation, ports, "a")

    assert settings.keys() == {"PYTHONMALLOC", "GLIBC_TUNABLES"}
    assert answer.value == b"hunter2"


async def test_it_refuses_to_start_with_a_kek_file_that_others_may_read(
    start: Start, environment: dict[str, str], installation: Installation
) -> None:
    installation.kek_file.chmod(0o644)

    process = await start(environment)

    assert await process.ended() == 2
    assert "mode 0600" in process.lines[-1]["problems"][0]


async def test_it_refuses_a_schema_that_is_not_there_and_migrates_when_told(
    start: Start, environment: dict[str, str], vault_server_dsn: Sensitive[str]
) -> None:
    name = f"empty_{uuid4().hex}"
    admin = await asyncpg.connect(vault_server_dsn.reveal())
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        dsn = urlunsplit(urlsplit(vault_server_dsn.reveal())._replace(path=f"/{name}"))
        only = {"SPLITKEEP_VAULT_DSN": dsn}

        refused = await start(environment | only)
        assert await refused.ended() == 2

        migrated = await start(only, "migrate")
        assert await migrated.ended() == 0

        served = await start(environment | only)
        await served.ready()
        served.child.terminate()
        assert await served.ended() == 0
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()
