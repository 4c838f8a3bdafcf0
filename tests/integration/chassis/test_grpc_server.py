"""The server and the client over real TLS."""

import asyncio
import io
import json
import ssl
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.config import StartHinderedError
from chassis.errors import (
    ConflictError,
    DeadlineExceededError,
    FieldViolation,
    InvalidArgumentError,
    KnownError,
    PermissionDeniedError,
    ResourceExhaustedError,
    Rule,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_client import call, stream
from chassis.grpc_server import (
    HEALTH_SERVICE,
    GrpcServer,
    Port,
    ServiceNotDeclaredError,
    peer_sans,
)
from chassis.grpc_server import Tls as ServerTls
from chassis.log_level import LogLevel
from chassis.request_id import bind_request_id, current_request_id
from chassis.sensitive import Sensitive
from chassis.telemetry import configure_logging
from tests.integration.chassis.certificates import Authority
from tests.integration.chassis.echo import (
    NAME,
    EchoServicer,
    EchoStub,
    repeat,
)
from tests.integration.chassis.harness import Harness, echo_service
from tests.integration.chassis.reflected import REFLECTION_SERVICES, reflected

MARKER = "marker-of-a-secret"
HELLO = StringValue(value="hello")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream_of_lines = io.StringIO()
    configure_logging("test", LogLevel.INFO, stream_of_lines)
    yield stream_of_lines
    structlog.reset_defaults()


def raising(error: Exception) -> Any:
    async def answer(_text: str, _context: Any) -> str:
        raise error

    return answer


async def never(_text: str, _context: Any) -> str:
    await asyncio.Event().wait()
    return ""


async def test_a_call_is_answered(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    answer = await call(stub.Once, HELLO, deadline_seconds=5)

    assert answer.value == "hello"


async def test_a_stream_is_answered_item_by_item(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    answers = stream(stub.Thrice, HELLO, deadline_seconds=5)

    assert [answer.value async for answer in answers] == ["hello0", "hello1", "hello2"]


async def test_an_error_arrives_as_the_same_class_with_its_violations(harness: Harness) -> None:
    violations = (FieldViolation("spec.size", Rule.TOO_LONG, "is at most 3"),)
    error = InvalidArgumentError(violations=violations)
    stub = EchoStub(await harness.channel(await harness.serve(raising(error))))

    with pytest.raises(InvalidArgumentError) as caught:
        await call(stub.Once, HELLO, deadline_seconds=5)

    assert (caught.value.message, caught.value.violations) == (error.message, violations)


async def test_every_violation_of_a_long_list_arrives(harness: Harness) -> None:
    violations = tuple(
        FieldViolation(f"spec.items.[{n}]", Rule.INVALID, "must start and end with a letter")
        for n in range(200)
    )
    error = InvalidArgumentError(violations=violations)
    stub = EchoStub(await harness.channel(await harness.serve(raising(error))))

    with pytest.raises(InvalidArgumentError) as caught:
        await call(stub.Once, HELLO, deadline_seconds=5)

    assert caught.value.violations == violations


async def test_a_stream_that_fails_arrives_as_the_same_class(harness: Harness) -> None:
    async def second_fails(text: str, _context: Any) -> str:
        if text.endswith("1"):
            raise ConflictError
        return text

    stub = EchoStub(await harness.channel(await harness.serve(second_fails)))
    answers = stream(stub.Thrice, HELLO, deadline_seconds=5)
    first = await anext(answers)

    with pytest.raises(ConflictError):
        await anext(answers)

    assert first.value == "hello0"


async def test_an_unknown_error_crosses_without_its_text(
    harness: Harness, logged: io.StringIO
) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(raising(KeyError(MARKER)))))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Once(HELLO)

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert MARKER not in repr(caught.value)
    assert MARKER not in logged.getvalue()


async def test_an_unknown_error_is_logged_with_its_place(
    harness: Harness, logged: io.StringIO
) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(raising(KeyError(MARKER)))))

    with pytest.raises(UnavailableError):
        await call(stub.Once, HELLO, deadline_seconds=5)

    (line,) = [json.loads(text) for text in logged.getvalue().splitlines()]
    assert line["event"] == "call failed"
    assert line["rpc"] == "tests.Echo/Once"
    assert line["failure"]["type"] == "KeyError"
    assert line["failure"]["frames"][-1].endswith(" answer")


async def test_bytes_that_are_no_message_are_an_invalid_argument(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    with pytest.raises(InvalidArgumentError, match="the request is not a valid StringValue"):
        await call(stub.RawOnce, b"\x0a\xff\xff\xff\xff", deadline_seconds=5)


async def test_a_truncated_message_is_refused_and_the_next_good_one_answered(
    harness: Harness,
) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    with pytest.raises(InvalidArgumentError):
        await call(stub.RawOnce, HELLO.SerializeToString()[:-1], deadline_seconds=5)

    assert (await call(stub.Once, HELLO, deadline_seconds=5)).value == "hello"


async def test_a_message_beyond_the_bound_is_resource_exhausted(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat, max_request_bytes=1024)))

    with pytest.raises(ResourceExhaustedError):
        await call(stub.Once, StringValue(value="x" * 2048), deadline_seconds=5)


async def test_an_unknown_method_is_unimplemented(harness: Harness) -> None:
    channel = await harness.channel(await harness.serve(repeat))

    method: Any = channel.unary_unary(f"/{NAME}/Never")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(b"")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_clients_deadline_is_kept(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(never)))

    with pytest.raises(DeadlineExceededError):
        await call(stub.Once, HELLO, deadline_seconds=0.2)


async def test_a_call_without_a_deadline_gets_the_default(harness: Harness) -> None:
    port = await harness.serve(never, default_deadline_seconds=0.2)
    stub = EchoStub(await harness.channel(port))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Once(HELLO)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_deadline_beyond_the_bound_is_capped(harness: Harness) -> None:
    port = await harness.serve(never, max_deadline_seconds=0.2)
    stub = EchoStub(await harness.channel(port))

    with pytest.raises(DeadlineExceededError):
        await call(stub.Once, HELLO, deadline_seconds=60)


async def test_a_timeout_of_the_methods_own_is_not_the_deadline(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(raising(TimeoutError()))))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Once(HELLO)

    assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_what_is_left_of_the_incoming_deadline_bounds_calls_to_peers(
    harness: Harness,
) -> None:
    peer = EchoStub(await harness.channel(await harness.serve(never)))

    async def ask_peer(_text: str, _context: Any) -> str:
        return str((await call(peer.Once, HELLO, deadline_seconds=60)).value)

    front = EchoStub(await harness.channel(await harness.serve(ask_peer)))

    async with asyncio.timeout(5):
        with pytest.raises(DeadlineExceededError):
            await call(front.Once, HELLO, deadline_seconds=0.3)


async def test_a_request_id_travels_on_to_the_peer_and_back(harness: Harness) -> None:
    seen = []

    async def note(_text: str, _context: Any) -> str:
        seen.append(current_request_id())
        return ""

    stub = EchoStub(await harness.channel(await harness.serve(note)))
    with bind_request_id("req-1"):
        await call(stub.Once, HELLO, deadline_seconds=5)
    pending = stub.Once(HELLO, metadata=(("x-request-id", "req-2"),))
    trailing = _pairs(await pending.trailing_metadata())

    assert seen == ["req-1", "req-2"]
    assert trailing["x-request-id"] == "req-2"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65])
async def test_an_odd_request_id_is_replaced(harness: Harness, sent: str) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    pending = stub.Once(HELLO, metadata=(("x-request-id", sent),))

    assert len(_pairs(await pending.trailing_metadata())["x-request-id"]) == 32


def _pairs(metadata: Any) -> dict[str, Any]:
    return {key: value for key, value in metadata}  # noqa: C416  # its keys() are not str


async def test_a_token_that_no_header_can_carry_is_refused(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    with pytest.raises(UnauthenticatedError, match="not printable ASCII"):
        await call(stub.Once, HELLO, deadline_seconds=5, token=Sensitive("a\u007fb"))


async def test_the_token_travels_as_x_access_token(harness: Harness) -> None:
    async def tell(_text: str, context: Any) -> str:
        return str(dict(context.invocation_metadata()).get("x-access-token"))

    stub = EchoStub(await harness.channel(await harness.serve(tell)))

    answer = await call(stub.Once, HELLO, deadline_seconds=5, token=Sensitive("abc"))

    assert answer.value == "abc"


async def test_the_longest_token_fits_into_the_headers(harness: Harness) -> None:
    async def measure(_text: str, context: Any) -> str:
        return str(len(dict(context.invocation_metadata())["x-access-token"]))

    stub = EchoStub(await harness.channel(await harness.serve(measure)))

    answer = await call(stub.Once, HELLO, deadline_seconds=5, token=Sensitive("x" * 16_384))

    assert answer.value == "16384"


async def test_headers_beyond_the_bound_are_resource_exhausted(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    with pytest.raises(ResourceExhaustedError):
        await call(stub.Once, HELLO, deadline_seconds=5, token=Sensitive("x" * 40_000))

    assert (await call(stub.Once, HELLO, deadline_seconds=5)).value == "hello"


async def test_a_method_that_ends_its_call_itself_is_let(harness: Harness) -> None:
    async def abort(_text: str, context: Any) -> str:
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "its own words")
        return ""

    stub = EchoStub(await harness.channel(await harness.serve(abort)))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Once(HELLO)

    assert (caught.value.code().name, caught.value.details()) == (
        "OUT_OF_RANGE",
        "its own words",
    )


async def test_places_are_given_back_however_a_call_ends(harness: Harness) -> None:
    stub = EchoStub(
        await harness.channel(await harness.serve(raising(ConflictError()), concurrent_calls=1))
    )

    for _ in range(3):
        with pytest.raises(ConflictError):
            await call(stub.Once, HELLO, deadline_seconds=5)

    assert harness.metrics.calls_now == 0


async def test_a_call_too_many_is_resource_exhausted(harness: Harness) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def wait(text: str, _context: Any) -> str:
        entered.set()
        await leave.wait()
        return text

    stub = EchoStub(await harness.channel(await harness.serve(wait, concurrent_calls=1)))
    first = asyncio.ensure_future(call(stub.Once, HELLO, deadline_seconds=5))
    await entered.wait()

    with pytest.raises(ResourceExhaustedError):
        await call(stub.Once, HELLO, deadline_seconds=5)

    leave.set()
    assert (await first).value == "hello"


async def test_calls_are_counted_by_code(harness: Harness) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(raising(ConflictError()))))

    with pytest.raises(ConflictError):
        await call(stub.Once, HELLO, deadline_seconds=5)

    labels = {"service": NAME, "method": "Once", "code": "ABORTED"}
    assert harness.metrics.registry.get_sample_value("grpc_server_calls_total", labels) == 1


async def test_a_cancelled_call_is_counted(harness: Harness) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()

    async def wait(_text: str, _context: Any) -> str:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_soon(ended.set)
        return ""

    stub = EchoStub(await harness.channel(await harness.serve(wait)))
    pending = stub.Once(HELLO)
    await entered.wait()
    pending.cancel()
    await ended.wait()

    labels = {"service": NAME, "method": "Once", "code": "CANCELLED"}
    assert harness.metrics.registry.get_sample_value("grpc_server_calls_total", labels) == 1


async def test_a_listed_peer_is_served_and_its_names_are_known(harness: Harness) -> None:
    async def names(_text: str, context: Any) -> str:
        return ",".join(sorted(peer_sans(context)))

    answer = await _call_with_certificate(harness, names, "peer-a", allowed={"peer-a"})

    assert answer == "peer-a"


async def test_a_peer_that_is_not_listed_is_denied(harness: Harness) -> None:
    with pytest.raises(PermissionDeniedError):
        await _call_with_certificate(harness, repeat, "peer-b", allowed={"peer-a"})


async def test_an_empty_list_of_peers_denies_everyone(harness: Harness) -> None:
    with pytest.raises(PermissionDeniedError):
        await _call_with_certificate(harness, repeat, "peer-a", allowed=set())


async def test_a_certificate_of_another_authority_is_not_let_in(
    harness: Harness, tmp_path: Any
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("peer-a", file="stranger-leaf")

    with pytest.raises(UnavailableError):
        await _call_with_certificate(
            harness, repeat, "peer-a", allowed={"peer-a"}, certificate=stranger
        )


async def test_a_listed_service_on_a_port_without_client_certificates_denies(
    harness: Harness,
) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat, peers=frozenset({"a"}))))

    with pytest.raises(PermissionDeniedError):
        await call(stub.Once, HELLO, deadline_seconds=5)


async def _call_with_certificate(
    harness: Harness, answer: Any, name: str, *, allowed: set[str], certificate: Any = None
) -> str:
    peers = Authority(harness.folder, "peers")
    pair = certificate or peers.issue(name, file="peer")
    harness.tls = ServerTls(
        harness.tls.certificate_chain, harness.tls.private_key, peers.certificate
    )
    port = await harness.serve(answer, peers=frozenset(allowed))
    channel = await harness.channel(
        port, certificate_chain=pair.certificate, private_key=pair.private_key
    )
    return str((await call(EchoStub(channel).Once, HELLO, deadline_seconds=5)).value)


async def test_a_server_of_an_unknown_authority_is_not_believed(
    harness: Harness, tmp_path: Any
) -> None:
    port = await harness.serve(repeat)
    harness.authority = Authority(tmp_path, "other")

    with pytest.raises(UnavailableError):
        await call(EchoStub(await harness.channel(port)).Once, HELLO, deadline_seconds=5)


async def test_plaintext_is_not_answered(harness: Harness) -> None:
    port = await harness.serve(repeat)

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoStub(channel).Once(HELLO, timeout=2)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_replaced_certificate_is_shown_to_the_next_client(harness: Harness) -> None:
    port = await harness.serve(repeat)
    before = await _shown_certificate(port)

    harness.authority.issue("localhost", "127.0.0.1", file="server")

    assert await _shown_certificate(port) != before


async def test_a_half_replaced_certificate_is_not_shown(harness: Harness) -> None:
    port = await harness.serve(repeat)
    before = await _shown_certificate(port)
    other = harness.authority.issue("localhost", file="other")

    harness.tls.certificate_chain.write_bytes(other.certificate.read_bytes())

    assert await _shown_certificate(port) == before


async def _shown_certificate(port: int) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.transport.abort()


async def test_health_is_told_per_service(harness: Harness) -> None:
    stub: Any = health_pb2_grpc.HealthStub(await harness.channel(await harness.serve(repeat)))

    answers = [
        await stub.Check(health_pb2.HealthCheckRequest(service=name)) for name in ("", NAME)
    ]

    assert [answer.status for answer in answers] == [health_pb2.HealthCheckResponse.SERVING] * 2


async def test_a_server_that_stops_lets_calls_end_and_says_not_serving(
    harness: Harness,
) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def wait(text: str, _context: Any) -> str:
        entered.set()
        await leave.wait()
        return text

    service = echo_service(EchoServicer(wait))
    server = GrpcServer(
        Port("127.0.0.1:0", harness.tls, (service,)), frozenset({NAME}), harness.metrics
    )
    channel = await harness.channel(await server.start())
    health: Any = health_pb2_grpc.HealthStub(channel)
    watch = health.Watch(health_pb2.HealthCheckRequest(service=NAME))
    states = [(await watch.read()).status]
    pending = asyncio.ensure_future(call(EchoStub(channel).Once, HELLO, deadline_seconds=5))
    await entered.wait()

    stopped = asyncio.ensure_future(server.stop(grace_seconds=5))
    states.append((await watch.read()).status)
    watch.cancel()
    leave.set()
    await stopped

    assert (await pending).value == "hello"
    assert states == [
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    ]


@pytest.mark.parametrize("declared", [frozenset(), frozenset({NAME, "tests.Other"})])
async def test_it_does_not_start_unless_declared_and_registered_agree(
    harness: Harness, declared: frozenset[str]
) -> None:
    service = echo_service(EchoServicer(repeat))
    server = GrpcServer(Port("127.0.0.1:0", harness.tls, (service,)), declared, harness.metrics)

    with pytest.raises(ServiceNotDeclaredError):
        await server.start()


@pytest.mark.parametrize("reflecting", REFLECTION_SERVICES)
async def test_reflection_tells_the_services(harness: Harness, reflecting: str) -> None:
    channel = await harness.channel(await harness.serve(repeat, reflection=True))

    (answer,) = await reflected(channel, reflecting, list_services="")

    listed = {service.name for service in answer.list_services_response.service}
    assert listed == {NAME, HEALTH_SERVICE, *REFLECTION_SERVICES}


@pytest.mark.parametrize("reflecting", REFLECTION_SERVICES)
async def test_what_reflection_does_not_find_does_not_end_its_stream(
    harness: Harness, reflecting: str
) -> None:
    channel = await harness.channel(await harness.serve(repeat, reflection=True))

    missing, found = await reflected(
        channel, reflecting, file_containing_symbol=("no.Such", f"{HEALTH_SERVICE}.Check")
    )

    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert found.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize("reflecting", REFLECTION_SERVICES)
async def test_reflection_can_be_switched_off(harness: Harness, reflecting: str) -> None:
    channel = await harness.channel(await harness.serve(repeat, reflection=False))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reflected(channel, reflecting, list_services="")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_taken_port_is_not_shared_unawares(harness: Harness) -> None:
    taken = await harness.serve(repeat)
    service = echo_service(EchoServicer(repeat))
    second = GrpcServer(
        Port(f"127.0.0.1:{taken}", harness.tls, (service,)), frozenset({NAME}), harness.metrics
    )

    with pytest.raises(StartHinderedError, match=f"127.0.0.1:{taken}: another process has"):
        await second.start()


async def test_every_known_error_is_answered_with_its_own_code(harness: Harness) -> None:
    kinds = KnownError.__subclasses__()
    failing = iter(kinds)

    async def next_kind(_text: str, _context: Any) -> str:
        raise next(failing)

    stub = EchoStub(await harness.channel(await harness.serve(next_kind)))
    caught = []
    for _ in kinds:
        try:
            await call(stub.Once, HELLO, deadline_seconds=5)
        except KnownError as error:
            caught.append(type(error))

    assert caught == kinds
