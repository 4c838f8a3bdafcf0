"""A peer that was away is called again as soon as it is back."""

import asyncio
from itertools import pairwise

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis.errors import UnavailableError
from chassis.grpc_client import call
from chassis.grpc_server import GrpcServer
from tests.integration.chassis.echo import (
    EchoServicer,
    EchoStub,
    repeat,
)
from tests.integration.chassis.harness import Harness, echo_service

HELLO = StringValue(value="hello")
SECONDS = 30
ATTEMPTS = 12
LONGEST_PAUSE_SECONDS = 1.0  # four times what it is to be: machines are busy


async def refusal(stub: EchoStub) -> bool:
    try:
        await call(stub.Once, HELLO, deadline_seconds=SECONDS)
    except UnavailableError:
        return True
    return False


async def restarted(server: GrpcServer, harness: Harness, port: int, stub: EchoStub) -> None:
    """Away long enough for several attempts to reach it."""
    await server.stop(0)
    for _ in range(10):
        assert await refusal(stub)
        await asyncio.sleep(0.1)
    service = echo_service(EchoServicer(repeat))
    await harness.start(service, address=f"127.0.0.1:{port}")


async def test_calls_go_through_once_the_peer_is_back(harness: Harness) -> None:
    service = echo_service(EchoServicer(repeat))
    server, port = await harness.start(service)
    stub = EchoStub(await harness.channel(port))
    await call(stub.Once, HELLO, deadline_seconds=SECONDS)

    await restarted(server, harness, port, stub)

    async with asyncio.timeout(SECONDS):
        while await refusal(stub):  # noqa: ASYNC110  # a peer does not tell that it is back
            await asyncio.sleep(0.02)
    assert not any([await refusal(stub) for _ in range(20)])


async def test_a_call_does_not_wait_for_a_peer_that_is_away(harness: Harness) -> None:
    service = echo_service(EchoServicer(repeat))
    server, port = await harness.start(service)
    stub = EchoStub(await harness.channel(port))
    await server.stop(0)

    async with asyncio.timeout(SECONDS / 2):  # of the deadline
        with pytest.raises(UnavailableError):
            await call(stub.Once, HELLO, deadline_seconds=SECONDS)


async def test_a_peer_that_stays_away_is_looked_for_at_short_intervals(
    harness: Harness,
) -> None:
    attempts: list[float] = []
    enough = asyncio.Event()

    def turn_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(asyncio.get_running_loop().time())
        writer.close()
        if len(attempts) == ATTEMPTS:
            enough.set()

    listener = await asyncio.start_server(turn_away, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        stub = EchoStub(await harness.channel(port))
        assert await refusal(stub)
        await asyncio.wait_for(enough.wait(), SECONDS)

    latest = [later - earlier for earlier, later in pairwise(attempts)][-4:]
    assert min(latest) < LONGEST_PAUSE_SECONDS
