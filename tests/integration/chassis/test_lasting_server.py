"""A port goes on when grpc.aio has ended its server."""

import asyncio
import io
import json
from contextlib import suppress
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis import grpc_server, lasting_server
from chassis.accept_mode import AcceptMode
from chassis.accept_modes import Accepting, new_server
from chassis.readiness import Readiness
from tests.integration.chassis.echo import EchoServicer, EchoStub, repeat
from tests.integration.chassis.harness import Harness, echo_service, until

FAILING = ("port of clients: its server has ended",)
REFUSED = "cannot be bound"


class Servers:
    """Every server of grpc.aio that a port has had; `refusing` so many more cannot listen.

    `failed` are those whose accept loop has failed: while calls are under way, grpc.aio says so
    only to whoever waits with a timeout.
    """

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.failed: list[Any] = []
        self.refusing = 0

    async def stop(self, number: int, *, grace: float | None = None) -> None:
        await self.made[number].stop(grace)

    def new(self, mode: AcceptMode, options: Any) -> Accepting:
        accepting = new_server(mode, options)
        server: Any = accepting.server
        bind, wait = server.add_secure_port, server.wait_for_termination

        def add_secure_port(address: str, credentials: Any) -> int:
            if self.refusing:
                self.refusing -= 1
                raise RuntimeError(REFUSED)
            number: int = bind(address, credentials)
            return number

        async def wait_for_termination(timeout: float) -> bool:
            accepts: bool = await wait(timeout)
            if server in self.failed:
                raise UnicodeError
            return accepts

        server.add_secure_port = add_secure_port
        server.wait_for_termination = wait_for_termination
        self.made.append(server)
        return accepting


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    made = Servers()
    monkeypatch.setattr(grpc_server, "new_server", made.new)
    return made


async def answered(stub: EchoStub, text: str) -> str:
    """The answer of the first call that is not UNAVAILABLE."""
    async with asyncio.timeout(10):
        while True:
            with suppress(grpc.aio.AioRpcError):
                return str((await stub.Once(StringValue(value=text))).value)
            await asyncio.sleep(0.02)


async def test_a_server_that_has_ended_is_replaced_on_its_port(
    harness: Harness, servers: Servers, logged: io.StringIO
) -> None:
    port = await harness.serve(repeat)

    for end in range(3):
        await servers.stop(end)
        assert await answered(EchoStub(await harness.channel(port)), f"{end}") == f"{end}"

    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    told = [line["level"] for line in lines if "has ended and is replaced" in line["event"]]
    refused = {"port": "clients", "reason": "server ended"}
    assert told == ["error"] * 3
    assert harness.metrics.registry.get_sample_value("port_refusals_total", refused) == 3


async def test_a_call_under_way_goes_on_while_the_next_one_has_a_new_server(
    harness: Harness, servers: Servers
) -> None:
    release = asyncio.Event()

    async def answer(text: str, _context: Any) -> str:
        if text == "held":
            await release.wait()
        return text

    port = await harness.serve(answer)
    held = EchoStub(await harness.channel(port)).Once(StringValue(value="held"))
    await until(lambda: harness.metrics.calls_now == 1)

    ending = asyncio.create_task(servers.stop(0, grace=60))
    servers.failed.append(servers.made[0])
    await until(lambda: len(servers.made) == 2)
    new = EchoStub(await harness.channel(port))
    assert await answered(new, "next") == "next"
    release.set()

    assert (await held).value == "held"
    await ending


async def test_a_port_is_not_ready_while_its_server_cannot_be_replaced(
    harness: Harness, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting_server, "SETTLED_SECONDS", 0.2)
    monkeypatch.setattr("chassis.readiness.FRESH_SECONDS", 0)
    readiness = Readiness({})
    await harness.start(echo_service(EchoServicer(repeat)), readiness=readiness)
    assert await readiness.failing() == ()

    servers.refusing = 1_000
    await servers.stop(0)
    await until(lambda: len(servers.made) > 2)
    assert await readiness.failing() == FAILING

    servers.refusing = 0
    await until_ready(readiness)


async def test_a_port_is_not_ready_until_its_new_server_has_lasted(
    harness: Harness, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.readiness.FRESH_SECONDS", 0)
    readiness = Readiness({})
    _, port = await harness.start(echo_service(EchoServicer(repeat)), readiness=readiness)

    await servers.stop(0)
    await until(lambda: len(servers.made) == 2)
    assert await answered(EchoStub(await harness.channel(port)), "again") == "again"

    assert await readiness.failing() == FAILING
    await until_ready(readiness)


async def test_a_port_that_is_stopped_leaves_no_server_behind(
    harness: Harness, servers: Servers
) -> None:
    server, port = await harness.start(echo_service(EchoServicer(repeat)))
    await servers.stop(0)
    await answered(EchoStub(await harness.channel(port)), "served")

    await server.stop(1)

    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)
    assert len(servers.made) == 2


async def until_ready(readiness: Readiness) -> None:
    async with asyncio.timeout(10):
        while await readiness.failing():  # noqa: ASYNC110  # nobody tells that it changed
            await asyncio.sleep(0.01)
