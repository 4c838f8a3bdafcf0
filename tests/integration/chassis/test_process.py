"""A process of the chassis, started and signalled for real."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MARKER = "marker-of-a-secret"

PREAMBLE = """
import asyncio, resource, sys
import structlog
from chassis.config import ConfigError
from chassis.migrations import SchemaError
from chassis.process import run

log = structlog.get_logger("test")
"""
# As `nohup`, or a shell's `&`, leaves a program's signals, whatever those of this test run are.
HAVING_IGNORED = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN if number in {ignored} else signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
WAITING = """
async def main(stopping):
    log.info("ready", core=resource.getrlimit(resource.RLIMIT_CORE)[0],
             loop=type(asyncio.get_running_loop()).__module__)
    await stopping.wait()
    log.info("drained")
"""
STUBBORN = """
async def main(stopping):
    log.info("ready")
    await stopping.wait()
    log.info("draining")
    await asyncio.Event().wait()
"""


class Process:
    """A child and the lines it logs."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child

    async def line(self) -> dict[str, Any]:
        assert self.child.stderr is not None
        parsed: dict[str, Any] = json.loads(await self.child.stderr.readline())
        return parsed

    async def ended(self) -> tuple[int, list[dict[str, Any]]]:
        _, errors = await self.child.communicate()
        return self.child.returncode or 0, [json.loads(line) for line in errors.splitlines()]


class Starter:
    """Starts children; none outlives the test."""

    def __init__(self) -> None:
        self._children: list[asyncio.subprocess.Process] = []

    async def __call__(self, main: str, *ignored: signal.Signals) -> Process:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            HAVING_IGNORED.format(ignored=[int(number) for number in ignored]),
            f"{PREAMBLE}{main}\nsys.exit(run(main))",
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._children.append(child)
        return Process(child)

    async def stop(self) -> None:
        for child in self._children:
            if child.returncode is None:
                child.kill()
            await child.communicate()


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    starter = Starter()
    yield starter
    await starter.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_process_drain(start: Starter, number: signal.Signals) -> None:
    process = await start(WAITING)
    ready = await process.line()

    process.child.send_signal(number)
    code, lines = await process.ended()

    assert (ready["event"], ready["core"], ready["loop"]) == ("ready", 0, "uvloop")
    assert (code, [line["event"] for line in lines]) == (0, ["drained"])


async def test_an_interrupt_that_the_starter_ignored_stays_ignored(start: Starter) -> None:
    process = await start(WAITING, signal.SIGINT)
    await process.line()

    for _ in range(3):
        process.child.send_signal(signal.SIGINT)
    await asyncio.sleep(0.2)
    assert process.child.returncode is None

    process.child.send_signal(signal.SIGTERM)
    assert (await process.ended())[0] == 0


async def test_a_second_signal_ends_the_process(start: Starter) -> None:
    process = await start(STUBBORN)
    await process.line()
    process.child.send_signal(signal.SIGTERM)
    await process.line()

    process.child.send_signal(signal.SIGTERM)
    code, lines = await process.ended()

    assert (code, lines[-1]["event"]) == (1, "stopped without draining")


@pytest.mark.parametrize(
    ("error", "problems"),
    [
        (
            'ConfigError(("X_A is required", "X_B is required"))',
            ["X_A is required", "X_B is required"],
        ),
        ('SchemaError("at version 1")', ["at version 1"]),
    ],
    ids=["configuration", "schema"],
)
async def test_what_does_not_allow_a_start_is_listed(
    start: Starter, error: str, problems: list[str]
) -> None:
    process = await start(f"async def main(stopping):\n    raise {error}\n")

    code, lines = await process.ended()

    assert (code, [line["problems"] for line in lines]) == (2, [problems])


async def test_a_fatal_error_is_logged_without_its_text(start: Starter) -> None:
    process = await start(f"async def main(stopping):\n    raise KeyError('{MARKER}')\n")

    code, lines = await process.ended()

    assert (code, lines[0]["failure"]["type"]) == (1, "KeyError")
    assert MARKER not in json.dumps(lines)


CALLING = """
import os, tempfile
from pathlib import Path
import grpc
from chassis.grpc_client import open_channel
from chassis.grpc_server import GrpcServer, Port, Tls
from chassis.metrics import Metrics
from chassis.process import leave
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.integration.chassis.certificates import Authority

async def main(stopping):
    authority = Authority(Path(tempfile.mkdtemp()))
    pair = authority.issue("localhost")
    tls = Tls(pair.certificate, pair.private_key)
    server = GrpcServer(Port("localhost:0", tls, ()), frozenset(), Metrics())
    port = await server.start()
    async with open_channel(f"localhost:{port}", ca=authority.certificate) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
    await server.stop(1)
    log.info("drained")
    print("the last words", end="")

leave(run(main, service="test"))
"""
# Of the two seconds that gRPC waits when the interpreter is taken down.
AT_ONCE_SECONDS = 1.5


async def test_a_process_that_used_grpc_ends_at_once_and_says_its_last_words(
    start: Starter,
) -> None:
    process = await start(CALLING)
    assert (await process.line())["event"] == "drained"
    drained = time.monotonic()

    output, _ = await process.child.communicate()

    assert process.child.returncode == 0
    assert time.monotonic() - drained < AT_ONCE_SECONDS
    assert output == b"the last words"
