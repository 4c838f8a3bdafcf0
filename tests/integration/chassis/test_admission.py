"""What a call costs a port before its caller is known, over real TLS."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis import grpc_server, in_flight
from chassis.caller import Caller
from chassis.errors import UnauthenticatedError, UnavailableError
from chassis.grpc_server import Service
from chassis.identity import Authenticator
from chassis.in_flight import Limits
from chassis.sensitive import Sensitive
from tests.integration.chassis.echo import (
    NAME,
    EchoServicer,
    EchoStub,
    add_echo_servicer_to_server,
    repeat,
)
from tests.integration.chassis.harness import AnyToken, Harness, until
from tests.integration.chassis.raw_http2 import ask, header

SECONDS = 20.0
VALID = "a-valid-token"
INVALID_ARGUMENT = b"grpc-status\x013"


class OneToken(AnyToken):
    """Accepts one token, after a while if it is to; counts what it was asked to verify."""

    def __init__(self) -> None:
        self.verified = 0
        self.known = False
        self.ready = asyncio.Event()
        self.ready.set()

    def remembered(self, token: Sensitive[str]) -> Caller | None:
        return super().remembered(token) if self.known and token.reveal() == VALID else None

    async def verify(self, token: Sensitive[str]) -> Caller:
        self.verified += 1
        await self.ready.wait()
        if token.reveal() != VALID:
            raise UnauthenticatedError("the token's signature is not valid")
        self.known = True
        return await super().verify(token)


@pytest.fixture
def tokens() -> OneToken:
    return OneToken()


async def serve(harness: Harness, tokens: OneToken, **bounds: Any) -> EchoStub:
    authenticator = Authenticator(tokens)
    port = await harness.serve(repeat, by_token=True, authenticator=authenticator, **bounds)
    return EchoStub(await harness.channel(port))


def headers(token: str) -> tuple[tuple[str, str], ...]:
    return (("x-access-token", token),)


def refused(harness: Harness, reason: str) -> float | None:
    labels = {"port": "clients", "reason": reason}
    return harness.metrics.registry.get_sample_value("port_refusals_total", labels)


async def code_of(call: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = await call.code()
    return code


async def test_a_call_without_a_valid_token_takes_no_place(
    harness: Harness, tokens: OneToken
) -> None:
    """However many there are, each with another token, and none with a request."""
    stub = await serve(harness, tokens, concurrent_calls=4)
    open_call: Any = stub.channel.stream_unary(f"/{NAME}/Once")
    waiting = [open_call(metadata=headers(f"junk-{n}"), timeout=SECONDS) for n in range(100)]

    answer = await stub.Once(StringValue(value="polite"), metadata=headers(VALID))

    assert answer.value == "polite"
    assert {await code_of(call) for call in waiting} == {grpc.StatusCode.UNAUTHENTICATED}
    assert harness.metrics.calls_now == 0
    assert refused(harness, "credential") == 100


async def test_a_call_of_a_method_that_is_not_here_is_counted(
    harness: Harness, tokens: OneToken
) -> None:
    stub = await serve(harness, tokens)
    elsewhere: Any = stub.channel.unary_unary(f"/{NAME}/Elsewhere")

    codes = {await code_of(elsewhere(b"")) for _ in range(3)}

    assert codes == {grpc.StatusCode.UNIMPLEMENTED}
    assert refused(harness, "unknown method") == 3


async def test_an_address_whose_tokens_are_refused_is_refused_before_the_next_is_verified(
    harness: Harness, tokens: OneToken
) -> None:
    stub = await serve(harness, tokens)
    await stub.Once(StringValue(), metadata=headers(VALID))
    codes = [
        await code_of(stub.Once(StringValue(), metadata=headers(f"junk-{n}")))
        for n in range(900)
    ]

    answer = await stub.Once(StringValue(value="known"), metadata=headers(VALID))

    assert codes[:500] == [grpc.StatusCode.UNAUTHENTICATED] * 500
    assert codes[-10:].count(grpc.StatusCode.RESOURCE_EXHAUSTED) > 5
    assert tokens.verified < 880
    assert answer.value == "known"
    assert refused(harness, "unverified") == codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)


async def test_valid_tokens_that_nobody_has_seen_cost_their_address_nothing(
    harness: Harness,
) -> None:
    class Anyone(AnyToken):
        def remembered(self, token: Sensitive[str]) -> Caller | None:
            return None

    port = await harness.serve(repeat, by_token=True, authenticator=Authenticator(Anyone()))
    stub = EchoStub(await harness.channel(port))

    codes = {
        await code_of(stub.Once(StringValue(), metadata=headers(f"valid-{n}")))
        for n in range(900)
    }

    assert codes == {grpc.StatusCode.OK}


async def test_an_issuer_whose_keys_cannot_be_had_uses_up_no_budget(harness: Harness) -> None:
    class WithoutKeys(AnyToken):
        def remembered(self, token: Sensitive[str]) -> Caller | None:
            return None

        async def verify(self, token: Sensitive[str]) -> Caller:
            raise UnavailableError

    authenticator = Authenticator(WithoutKeys())
    port = await harness.serve(repeat, by_token=True, authenticator=authenticator)
    stub = EchoStub(await harness.channel(port))

    codes = {
        await code_of(stub.Once(StringValue(), metadata=headers(VALID))) for _ in range(900)
    }

    assert codes == {grpc.StatusCode.UNAVAILABLE}


async def test_calls_whose_keys_have_to_be_fetched_hold_no_place_and_only_so_many_wait(
    harness: Harness, tokens: OneToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "UNVERIFIED_CALLS", 8)
    stub = await serve(harness, tokens, concurrent_calls=4)
    await stub.Once(StringValue(), metadata=headers(VALID))
    tokens.ready.clear()
    waiting = [stub.Once(StringValue(), metadata=headers(f"junk-{n}")) for n in range(20)]
    await until(lambda: sum(call.done() for call in waiting) == 12)

    answer = await stub.Once(StringValue(value="known"), metadata=headers(VALID))
    tokens.ready.set()

    codes = [await code_of(call) for call in waiting]
    assert answer.value == "known"
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 12
    assert codes.count(grpc.StatusCode.UNAUTHENTICATED) == 8


async def test_a_call_whose_request_does_not_come_leaves_its_place_within_seconds(
    harness: Harness, tokens: OneToken
) -> None:
    stub = await serve(harness, tokens, request_seconds=0.2)
    open_call: Any = stub.channel.stream_unary(f"/{NAME}/Once")

    code = await code_of(open_call(metadata=headers(VALID), timeout=SECONDS))

    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert refused(harness, "no request") == 1
    await until(lambda: harness.metrics.calls_now == 0)


async def test_a_stream_whose_request_does_not_come_leaves_its_place_within_seconds(
    harness: Harness, tokens: OneToken
) -> None:
    service = Service(
        NAME,
        add_echo_servicer_to_server,
        EchoServicer(repeat),
        open_ended=frozenset({"Thrice"}),
    )
    _, port = await harness.start(
        service, authenticator=Authenticator(tokens), request_seconds=0.2
    )
    channel = await harness.channel(port)
    open_stream: Any = channel.stream_stream(f"/{NAME}/Thrice")

    code = await code_of(open_stream(metadata=headers(VALID), timeout=SECONDS))

    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: harness.metrics.streams_now == 0)


async def test_headers_that_are_too_large_end_the_call_however_early_they_come(
    harness: Harness,
) -> None:
    """gRPC's core bounds them only once the client has acknowledged the server's settings."""
    port = await harness.serve(repeat)
    large = b"".join(header(b"x-%d" % n, b"v" * 3_000) for n in range(15))

    answer = await ask(port, b"/tests.Echo/Once", more_fields=large)

    assert INVALID_ARGUMENT in answer
    assert refused(harness, "headers") == 1


async def test_held_health_watches_leave_room_for_calls_checks_and_other_addresses(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "HEALTH_LIMITS", Limits(concurrent_streams=16))
    port = await harness.serve(repeat)
    channel = await harness.channel(port)
    health: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    watches = [health.Watch(request) for _ in range(40)]
    read = await asyncio.gather(*(watch.read() for watch in watches), return_exceptions=True)

    serving = [answer for answer in read if not isinstance(answer, BaseException)]
    assert len(serving) == 12  # three quarters
    assert (await EchoStub(channel).Once(StringValue(value="served"))).value == "served"
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    assert refused(harness, "busy") == 28
    for watch in watches:
        watch.cancel()


async def test_a_reflection_stream_that_asks_nothing_ends(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(request_seconds=0.2, idle_seconds=0.2, concurrent_streams=8)
    monkeypatch.setattr(grpc_server, "REFLECTION_LIMITS", limits)
    port = await harness.serve(repeat, reflection=True)
    channel: Any = await harness.channel(port)
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    silent, asking = stub.ServerReflectionInfo(), stub.ServerReflectionInfo()
    await asking.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    assert (await asking.read()).list_services_response.service

    codes = {await code_of(silent), await code_of(asking)}

    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
