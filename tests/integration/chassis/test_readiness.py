"""Readiness along a chain of processes, over real gRPC."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import UnavailableError
from chassis.grpc_health import FAILING_KEY, PeerHealth
from chassis.grpc_server import GrpcServer, Port
from chassis.metrics import Metrics
from chassis.readiness import FRESH_SECONDS, PartsFailingError, Readiness
from tests.integration.chassis.echo import NAME, EchoServicer
from tests.integration.chassis.harness import Harness, echo_service

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Part:
    """What a check asks, and how often it was asked."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error


@pytest.fixture
def part() -> Part:
    return Part()


async def repeat(_request: Any, _context: Any) -> Any:
    raise NotImplementedError


async def serving(
    harness: Harness, checks: dict[str, Any], service: str = NAME
) -> tuple[PeerHealth, grpc.aio.Channel]:
    """A process with these checks, as its peers see it."""
    port = Port(
        "127.0.0.1:0",
        harness.tls,
        (echo_service(EchoServicer(repeat)),),
    )
    server = GrpcServer(port, frozenset({NAME}), Metrics(), Readiness(checks))
    channel = await harness.channel(await server.start())
    harness.ended(server)
    return PeerHealth(channel, service=service, deadline_seconds=5), channel


async def test_what_fails_is_named_along_the_chain(harness: Harness, part: Part) -> None:
    part.error = PartsFailingError(("writes",))
    metadata, _ = await serving(harness, {"database": part.check})
    vault, _ = await serving(harness, {"metadata": metadata.check})
    gateway = Readiness({"metadata": metadata.check, "vault": vault.check})

    assert await gateway.failing() == (
        "metadata: database: writes",
        "vault: metadata: database: writes",
    )


async def test_a_peer_that_cannot_be_reached_is_named_itself(harness: Harness) -> None:
    channel = await harness.channel(1)
    peer = PeerHealth(channel, service=NAME, deadline_seconds=1)

    assert await Readiness({"metadata": peer.check}).failing() == ("metadata",)


@pytest.mark.parametrize("service", ["", NAME])
async def test_the_health_protocol_says_the_same_of_every_service(
    harness: Harness, part: Part, service: str
) -> None:
    _, channel = await serving(harness, {"database": part.check})
    stub: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    before = await stub.Check(request)
    part.error = UnavailableError()
    await asyncio.sleep(FRESH_SECONDS + 0.1)

    call = stub.Check(request)
    after = await call

    assert (before.status, after.status) == (SERVING, NOT_SERVING)
    assert (FAILING_KEY, "database") in tuple(await call.trailing_metadata())


async def test_those_who_watch_are_told_of_a_change(harness: Harness, part: Part) -> None:
    _, channel = await serving(harness, {"database": part.check})
    stub: Any = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=NAME))
    seen = [(await watch.read()).status]
    part.error = UnavailableError()

    seen.append((await watch.read()).status)

    assert seen == [SERVING, NOT_SERVING]
    watch.cancel()


async def test_however_many_ask_a_part_is_asked_once_a_second(
    harness: Harness, part: Part
) -> None:
    peer, _ = await serving(harness, {"database": part.check})
    readiness = Readiness({"peer": peer.check})

    await asyncio.gather(*(readiness.failing() for _ in range(50)))
    await asyncio.gather(*(peer.check() for _ in range(50)))

    assert part.asked == 1


async def test_what_a_peer_names_is_bounded_and_plain(harness: Harness, part: Part) -> None:
    part.error = PartsFailingError(["x" * 1000, *(str(n) for n in range(100))])
    peer, _ = await serving(harness, {"part": part.check})

    with pytest.raises(PartsFailingError) as caught:
        await peer.check()

    assert len(caught.value.parts) == 16
    assert max(map(len, caught.value.parts)) == 128
