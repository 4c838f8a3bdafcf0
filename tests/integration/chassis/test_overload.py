"""More calls than a server takes on, over real TLS."""

import asyncio
import gc
import io
import json
import resource
import time
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import grpc_calls
from chassis.errors import ConflictError, DeadlineExceededError, ResourceExhaustedError
from chassis.flood_control import FloodControl
from chassis.grpc_client import call
from chassis.grpc_methods import Method
from chassis.in_flight import InFlight, Limits, MethodContext, PortContext
from chassis.metrics import Metrics
from chassis.sensitive import Sensitive
from chassis.verification_budget import VerificationBudget
from tests.integration.chassis.echo import EchoStub, repeat
from tests.integration.chassis.harness import Harness, until

SECONDS = 20.0
GREEDY, POLITE = Sensitive("the-greedy-one"), Sensitive("the-polite-one")
NO_MESSAGE = b"\x0a\xff\xff\xff\xff"
HELD = "held"
KIBIBYTES = 1024


class Holding:
    """Answers at once, or when told to if the text is HELD."""

    def __init__(self) -> None:
        self.leave = asyncio.Event()
        self.held = self.seen = 0

    async def __call__(self, text: str, _context: Any) -> str:
        self.seen += 1
        if text == HELD:
            self.held += 1
            try:
                await self.leave.wait()
            finally:
                self.held -= 1
        return text


@pytest.fixture
def holding() -> Holding:
    return Holding()


def asked(stub: EchoStub, text: str, token: Sensitive[str]) -> Awaitable[StringValue]:
    return call(stub.Once, StringValue(value=text), deadline_seconds=SECONDS, token=token)


async def refused(stub: EchoStub, token: Sensitive[str], text: str = HELD) -> bool:
    try:
        await asked(stub, text, token)
    except ResourceExhaustedError:
        return True
    return False


async def stub_of(harness: Harness, holding: Holding, **bounds: Any) -> EchoStub:
    port = await harness.serve(holding, by_token=True, **bounds)
    return EchoStub(await harness.channel(port))


async def filled(stub: EchoStub, holding: Holding, calls: int) -> list[asyncio.Task[bool]]:
    """So many calls of the greedy one's, each either held or refused by now."""
    tasks = [asyncio.create_task(refused(stub, GREEDY)) for _ in range(calls)]
    await until(lambda: holding.held + sum(task.done() for task in tasks) == calls)
    return tasks


async def test_a_polite_caller_is_served_however_many_calls_a_greedy_one_makes(
    harness: Harness, holding: Holding
) -> None:
    stub = EchoStub(
        await harness.channel(await harness.serve(holding, by_token=True, concurrent_calls=8))
    )
    pending = await filled(stub, holding, 100)

    answers = [await asked(stub, "polite", POLITE) for _ in range(20)]
    holding.leave.set()

    assert {answer.value for answer in answers} == {"polite"}
    assert (await asyncio.gather(*pending)).count(False) == 6


async def test_a_greedy_caller_does_not_stay_refused(
    harness: Harness, holding: Holding
) -> None:
    stub = EchoStub(
        await harness.channel(await harness.serve(holding, by_token=True, concurrent_calls=8))
    )
    pending = await filled(stub, holding, 20)
    holding.leave.set()
    await asyncio.gather(*pending)

    assert not await refused(stub, GREEDY)


async def test_a_call_too_many_is_refused_before_its_request_is_parsed(
    harness: Harness, holding: Holding
) -> None:
    stub = await stub_of(harness, holding, concurrent_calls=1)
    pending = await filled(stub, holding, 1)

    with pytest.raises(ResourceExhaustedError):
        await call(stub.RawOnce, NO_MESSAGE, deadline_seconds=SECONDS, token=POLITE)

    holding.leave.set()
    await asyncio.gather(*pending)


async def test_a_refusal_is_counted_and_bears_the_calls_id(
    harness: Harness, holding: Holding
) -> None:
    stub = await stub_of(harness, holding, concurrent_calls=1)
    pending = await filled(stub, holding, 1)

    over = stub.Once(
        StringValue(), metadata=(("x-request-id", "req-9"), ("x-access-token", "t"))
    )
    trailing = {key: value for key, value in await over.trailing_metadata()}  # noqa: C416

    labels = {"service": "tests.Echo", "method": "Once", "code": "RESOURCE_EXHAUSTED"}
    assert trailing["x-request-id"] == "req-9"
    assert harness.metrics.registry.get_sample_value("grpc_server_calls_total", labels) == 1
    holding.leave.set()
    await asyncio.gather(*pending)


async def test_refusals_are_told_by_number_and_not_one_by_one(
    harness: Harness, holding: Holding, logged: io.StringIO
) -> None:
    stub = EchoStub(
        await harness.channel(await harness.serve(holding, by_token=True, concurrent_calls=8))
    )
    pending = await filled(stub, holding, 100)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in logged.getvalue().splitlines()]

    await until(lambda: sum(line["count"] for line in lines()) == 94)
    holding.leave.set()
    await asyncio.gather(*pending)
    assert {line["event"] for line in lines()} == {"calls refused: too many at a time"}
    assert len(lines()) < 94
    assert GREEDY.reveal() not in logged.getvalue()


async def test_health_is_told_when_every_place_is_taken(
    harness: Harness, holding: Holding
) -> None:
    channel = await harness.channel(await harness.serve(holding, concurrent_calls=1))
    pending = await filled(EchoStub(channel), holding, 1)
    health: Any = health_pb2_grpc.HealthStub(channel)

    answer = await health.Check(health_pb2.HealthCheckRequest())

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    holding.leave.set()
    await asyncio.gather(*pending)


async def test_a_place_is_given_back_however_its_call_ends(
    harness: Harness, holding: Holding
) -> None:
    async def ends(text: str, context: Any) -> str:
        if text == "error":
            raise ConflictError
        if text == "fault":
            raise KeyError
        return await holding(text, context)

    port = await harness.serve(ends, concurrent_calls=4)
    stub = EchoStub(await harness.channel(port))
    for text in ("ok", "error", "fault"):
        await asyncio.gather(asked(stub, text, GREEDY), return_exceptions=True)
    with pytest.raises(DeadlineExceededError):
        await call(stub.Once, StringValue(value=HELD), deadline_seconds=0.3)
    cancelled = asyncio.ensure_future(asked(stub, HELD, GREEDY))
    await until(lambda: holding.held == 1)
    cancelled.cancel()
    leaving = grpc.aio.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(harness.authority.certificate.read_bytes()),
    )
    gone = asyncio.ensure_future(EchoStub(leaving).Once(StringValue(value=HELD)))
    await until(lambda: holding.held == 1 and cancelled.done())
    await leaving.close()
    await asyncio.gather(gone, return_exceptions=True)

    await until(lambda: harness.metrics.calls_now == 0)
    pending = await filled(stub, holding, 3)
    holding.leave.set()
    assert not any(await asyncio.gather(*pending))


async def test_nothing_runs_for_a_call_that_comes_after_its_deadline(harness: Harness) -> None:
    seen = []

    async def block(text: str, _context: Any) -> str:
        seen.append(text)
        time.sleep(0.5)  # noqa: ASYNC251  # the loop is to be busy while the other call waits
        return text

    stub = EchoStub(await harness.channel(await harness.serve(block)))
    first = asyncio.ensure_future(asked(stub, "first", GREEDY))
    await asyncio.sleep(0)
    late = [call(stub.Once, StringValue(value="late"), deadline_seconds=0.1) for _ in range(3)]
    ended = await asyncio.gather(first, *late, return_exceptions=True)

    assert seen.count("late") <= 1  # one that came before the loop was busy
    assert DeadlineExceededError in {type(end) for end in ended}


class LateContext:
    """A call whose deadline has passed, as gRPC tells of it."""

    def __init__(self) -> None:
        self.code: Any = None

    def set_trailing_metadata(self, _metadata: Any) -> None:
        """Nobody looks."""

    def peer(self) -> str:
        return "ipv4:192.0.2.1:5000"

    def time_remaining(self) -> float:
        return 0.0

    async def abort(self, code: Any, _message: str, _metadata: Any) -> None:
        self.code = code
        raise grpc.aio.AbortError


async def test_a_late_call_is_dropped_before_its_request_is_parsed(
    logged: io.StringIO,
) -> None:
    in_flight = InFlight(Limits(concurrent_calls=8))
    context = LateContext()
    late = Method(handler(), method_context(in_flight)).call(())

    with pytest.raises(grpc.aio.AbortError):
        await late.stream_unary(None, context)

    assert context.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (in_flight.places.taken, logged.getvalue()) == (0, "")


def handler() -> Any:
    return grpc.unary_unary_rpc_method_handler(
        repeat, StringValue.FromString, StringValue.SerializeToString
    )


def method_context(in_flight: InFlight) -> MethodContext:
    port = PortContext(
        name="clients",
        metrics=Metrics(),
        authenticator=None,
        budget=VerificationBudget(time.monotonic),
        floods=FloodControl(0, 1, lambda: None),
        back_off=lambda: None,
    )
    return MethodContext(
        service="s", method="m", port=port, in_flight=in_flight, needs_token=False
    )


async def test_memory_does_not_grow_with_refusals(harness: Harness, holding: Holding) -> None:
    stub = await stub_of(harness, holding, concurrent_calls=1)
    of_others = calls_kept()  # a test before this one may have left some in a frame of its own
    pending = await filled(stub, holding, 1)
    heavy = "x" * (64 * KIBIBYTES)

    async def refuse(calls: int) -> None:
        for _ in range(calls // 25):
            told = await asyncio.gather(*(refused(stub, POLITE, heavy) for _ in range(25)))
            assert all(told)

    await refuse(500)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await refuse(2_000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    # The held one, and the last one that was refused: grpc.aio keeps it until the next call.
    await until(lambda: calls_kept() <= of_others + 2)
    holding.leave.set()
    await asyncio.gather(*pending)
    assert grown < 32 * KIBIBYTES  # of the 128 MiB that were sent


def calls_kept() -> int:
    gc.collect()
    return sum(isinstance(kept, grpc_calls.Call) for kept in gc.get_objects())
