"""A source that floods a port loses it for a while, and nobody else does, over real TLS."""

import asyncio
import errno
import io
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis import flood_detector
from chassis.caller import Caller
from chassis.errors import UnavailableError
from chassis.flood_control import LOOK_SECONDS
from chassis.flood_detector import UNVERIFIED_BYTES
from chassis.identity import Authenticator
from chassis.sensitive import Sensitive
from tests.integration.chassis.echo import NAME, EchoStub, repeat
from tests.integration.chassis.harness import AnyToken, Harness, until
from tests.integration.chassis.raw_http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    header,
    request_fields,
    tls_context,
)

STRANGER = "127.0.0.2"
BLOCK_SECONDS = 1.5
SHORT_SECONDS = 0.5  # a SYN that was dropped is sent again after a second
SOON_SECONDS = 10.0
ELSEWHERE = request_fields(b"/not/here")
WITHOUT_TOKEN = request_fields(f"/{NAME}/Once".encode())
WITH_TOKEN = WITHOUT_TOKEN + header(b"x-access-token", b"someone")
HEALTH = request_fields(b"/grpc.health.v1.Health/Check")
CANCEL = (8).to_bytes(4, "big")
PINGS = frame(PING, 0, 0, bytes(8)) * 100
LIMIT = 100  # calls in a second; a busy machine cannot take the port's own limit in one
FLOOD = 4 * LIMIT


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends a flood exceeds the limit, however slowly it is taken."""
    monkeypatch.setattr(flood_detector, "UNVERIFIED_CALLS", LIMIT)


def with_a_message(stream: int) -> bytes:
    return frame(DATA, END_STREAM, stream, bytes(5))


def with_a_reset(stream: int) -> bytes:
    return frame(RST_STREAM, 0, stream, CANCEL)


End = Callable[[int], bytes]


@dataclass
class Client:
    """Sends requests over a connection of its own, and reads nothing but its end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    streams: Iterator[int] = field(default_factory=lambda: count(1, 2))

    async def send(self, fields: bytes, calls: int = 1, end: End = with_a_message) -> None:
        for _ in range(calls):
            stream = next(self.streams)
            self.writer.write(frame(HEADERS, END_HEADERS, stream, fields))
            self.writer.write(end(stream))
        await self.writer.drain()

    async def closed(self, within_seconds: float = SOON_SECONDS) -> bool:
        """Whether the server has closed the connection, or does so in time."""
        try:
            async with asyncio.timeout(within_seconds):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


@asynccontextmanager
async def client(
    port: int, source: str = STRANGER, source_port: int = 0
) -> AsyncIterator[Client]:
    host = "::1" if ":" in source else "127.0.0.1"
    reader, writer = await asyncio.open_connection(
        host, port, ssl=tls_context(), local_addr=(source, source_port)
    )
    writer.write(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, ACK, 0, b""))
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def connects(port: int, source: str) -> bool:
    try:
        async with asyncio.timeout(SHORT_SECONDS):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0), family=socket.AF_INET
            )
    except TimeoutError:
        return False
    writer.transport.abort()
    return True


async def serve(harness: Harness, seconds: float = BLOCK_SECONDS) -> int:
    return await harness.serve(repeat, by_token=True, flood_block_seconds=seconds)


def closed_connections(harness: Harness) -> float:
    labels = {"port": "clients", "reason": "flood"}
    return harness.metrics.registry.get_sample_value("port_refusals_total", labels) or 0.0


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        (ELSEWHERE, with_a_message),
        (WITHOUT_TOKEN, with_a_message),
        (HEALTH, with_a_message),
        (HEALTH, with_a_reset),
    ],
    ids=["unknown methods", "no token", "health", "health, reset"],
)
async def test_a_source_that_floods_loses_its_connections_and_makes_no_new_ones(
    harness: Harness, fields: bytes, end: End
) -> None:
    port = await serve(harness)
    async with client(port) as flooding, client(port) as beside:
        await beside.send(ELSEWHERE)
        await flooding.send(fields, FLOOD, end)

        assert await flooding.closed()
        assert await beside.closed()
        assert not await connects(port, STRANGER)
    assert closed_connections(harness) >= 2


async def test_a_source_that_sends_frames_without_end_is_blocked(harness: Harness) -> None:
    """No call is made, so that nothing of ours runs."""
    port = await serve(harness)
    async with client(port) as flooding:
        flooding.writer.write(PINGS * (2 * UNVERIFIED_BYTES // len(PINGS)))

        assert await flooding.closed()
        assert not await connects(port, STRANGER)
        assert await connects(port, "127.0.0.3")


async def test_a_source_that_holds_connections_without_a_call_is_blocked(
    harness: Harness,
) -> None:
    port = await harness.serve(
        repeat, by_token=True, flood_block_seconds=BLOCK_SECONDS, connections=20
    )
    async with AsyncExitStack() as opened, client(port, "127.0.0.3") as other:
        held = [await opened.enter_async_context(client(port)) for _ in range(6)]

        assert all([await each.closed() for each in held])
        assert not await connects(port, STRANGER)
        assert not await other.closed(SHORT_SECONDS)


async def test_frames_on_a_connection_with_a_verified_caller_do_not_count(
    harness: Harness,
) -> None:
    port = await serve(harness)
    async with client(port) as busy:
        await busy.send(WITH_TOKEN)
        await asyncio.sleep(LOOK_SECONDS)
        busy.writer.write(PINGS * (2 * UNVERIFIED_BYTES // len(PINGS)))

        assert not await busy.closed(3 * LOOK_SECONDS)


async def test_others_go_on_and_may_connect(harness: Harness) -> None:
    port = await serve(harness)
    async with client(port, "127.0.0.3") as standing, client(port) as flooding:
        await flooding.send(ELSEWHERE, FLOOD)
        assert await flooding.closed()

        assert not await standing.closed(SHORT_SECONDS)
        assert await connects(port, "127.0.0.3")
        stub = EchoStub(await harness.channel(port))
        answer = await stub.Once(
            StringValue(value="polite"), metadata=(("x-access-token", "someone"),)
        )
    assert answer.value == "polite"


async def test_a_source_may_connect_again_after_a_while(harness: Harness) -> None:
    port = await serve(harness)
    async with client(port) as flooding:
        await flooding.send(ELSEWHERE, FLOOD)
        assert await flooding.closed()
    await asyncio.sleep(BLOCK_SECONDS + 2 * LOOK_SECONDS)

    assert await connects(port, STRANGER)


async def test_a_connection_with_a_verified_caller_stays(harness: Harness) -> None:
    port = await serve(harness)
    async with client(port) as polite, client(port) as flooding:
        await polite.send(WITH_TOKEN)
        await flooding.send(ELSEWHERE, FLOOD)

        assert await flooding.closed()
        assert not await polite.closed(SHORT_SECONDS)


async def test_calls_on_a_connection_with_a_verified_caller_do_not_count(
    harness: Harness,
) -> None:
    """A gateway passes on what strangers send to it."""
    port = await serve(harness)
    async with client(port) as gateway:
        await gateway.send(WITH_TOKEN)
        await gateway.send(WITHOUT_TOKEN, FLOOD)

        assert not await gateway.closed(SHORT_SECONDS)
        assert await connects(port, STRANGER)


async def test_trust_ends_with_the_connection(harness: Harness) -> None:
    """The next one from the same port may be somebody else's."""
    port = await serve(harness)
    async with client(port) as polite:
        await polite.send(WITH_TOKEN)
        await asyncio.sleep(LOOK_SECONDS)
        _, source_port = polite.writer.get_extra_info("sockname")
        # Its end is a reset, after which the port can be used again at once.
        linger = struct.pack("ii", 1, 0)
        polite.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
    await asyncio.sleep(3 * LOOK_SECONDS)

    async with client(port, source_port=source_port) as flooding:
        await flooding.send(ELSEWHERE, FLOOD)

        assert await flooding.closed()


async def test_trust_outlasts_a_look_that_could_not_see_every_socket(
    harness: Harness, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = await serve(harness)
    async with client(port) as polite, client(port) as flooding:
        await polite.send(WITH_TOKEN)
        await asyncio.sleep(LOOK_SECONDS)
        with monkeypatch.context() as exhausted:
            exhausted.setattr("chassis.own_sockets.os.dup", no_descriptor_left)
            await until(lambda: "cannot be detected" in logged.getvalue())
        await flooding.send(ELSEWHERE, FLOOD)

        assert await flooding.closed()
        assert not await polite.closed(SHORT_SECONDS)


def no_descriptor_left(_descriptor: int) -> int:
    raise OSError(errno.EMFILE, "Too many open files")


class WithoutKeys(AnyToken):
    """The issuer cannot be reached, so that no token can be verified."""

    def remembered(self, token: Sensitive[str]) -> Caller | None:
        return None

    async def verify(self, token: Sensitive[str]) -> Caller:
        raise UnavailableError("the issuer's keys cannot be had")


async def test_calls_that_cannot_be_verified_for_want_of_keys_do_not_count(
    harness: Harness,
) -> None:
    port = await harness.serve(
        repeat,
        by_token=True,
        flood_block_seconds=BLOCK_SECONDS,
        authenticator=Authenticator(WithoutKeys()),
    )
    async with client(port) as patient:
        await patient.send(WITH_TOKEN, FLOOD)

        assert not await patient.closed(SHORT_SECONDS)


async def test_the_calls_of_a_verified_caller_are_no_flood(harness: Harness) -> None:
    port = await serve(harness)
    async with client(port) as busy:
        await busy.send(WITH_TOKEN, FLOOD)

        assert not await busy.closed(SHORT_SECONDS)


async def test_a_source_of_ipv6_is_its_network(harness: Harness) -> None:
    port = await harness.serve(
        repeat, by_token=True, flood_block_seconds=BLOCK_SECONDS, address="[::]:0"
    )
    async with client(port, "::1") as polite, client(port, "::1") as flooding:
        await polite.send(WITH_TOKEN)
        await flooding.send(ELSEWHERE, FLOOD)

        assert await flooding.closed()
        assert not await polite.closed(SHORT_SECONDS)
        assert await connects(port, STRANGER)


async def test_an_ipv4_source_is_known_on_a_port_of_both_families(harness: Harness) -> None:
    port = await harness.serve(
        repeat, by_token=True, flood_block_seconds=BLOCK_SECONDS, address="[::]:0"
    )
    async with client(port) as polite, client(port) as flooding:
        await polite.send(WITH_TOKEN)
        await flooding.send(ELSEWHERE, FLOOD)

        assert await flooding.closed()
        assert not await polite.closed(SHORT_SECONDS)
        assert not await connects(port, STRANGER)


async def test_with_no_seconds_nobody_is_blocked(harness: Harness) -> None:
    port = await serve(harness, seconds=0)
    async with client(port) as flooding:
        await flooding.send(ELSEWHERE, FLOOD)

        assert not await flooding.closed(SHORT_SECONDS)
        assert await connects(port, STRANGER)


async def test_the_log_names_the_source(harness: Harness, logged: io.StringIO) -> None:
    port = await serve(harness)
    async with client(port) as flooding:
        await flooding.send(ELSEWHERE, FLOOD)
        assert await flooding.closed()

    (line,) = (
        each
        for text in logged.getvalue().splitlines()
        if "flood" in (each := json.loads(text))["event"]
    )
    assert (line["source"], line["seconds"]) == (STRANGER, BLOCK_SECONDS)


async def test_a_system_that_lists_no_descriptors_serves_on_and_says_so(
    harness: Harness,
    logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("chassis.own_sockets._DESCRIPTORS", tmp_path / "missing")
    port = await serve(harness)
    async with client(port) as flooding:
        await flooding.send(ELSEWHERE, FLOOD)
        await until(lambda: "cannot be blocked" in logged.getvalue())

        assert not await flooding.closed(SHORT_SECONDS)
        channel: Any = await harness.channel(port)
        code = await channel.unary_unary("/not/here")(b"", timeout=SOON_SECONDS).code()
    assert code is grpc.StatusCode.UNIMPLEMENTED
