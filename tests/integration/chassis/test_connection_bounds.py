"""What a gRPC port allows a connection before a call of it is served."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis import grpc_server
from tests.integration.chassis.echo import EchoStub, repeat
from tests.integration.chassis.harness import Harness
from tests.integration.chassis.raw_http2 import (
    ACK,
    GOAWAY,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PING,
    PREFACE,
    SETTINGS,
    frame,
    tls_context,
)

SOON_SECONDS = 10.0
SHORT_MS = 300
OWN_WINDOW = 65_535  # RFC 9113 §6.9.2: that of who says nothing
OWN_FRAME = 16_384


@asynccontextmanager
async def connected(
    port: int, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def next_frame(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Its type, flags and payload."""
    head = await reader.readexactly(9)
    return head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))


async def ended(reader: asyncio.StreamReader) -> None:
    """The server has closed the connection. Raises TimeoutError if it does not soon."""
    async with asyncio.timeout(SOON_SECONDS):
        try:
            while await reader.read(65_536):
                pass
        except (ConnectionError, ssl.SSLError):
            return


async def served(port: int) -> bool:
    """A new connection gets SETTINGS."""
    try:
        async with connected(port, context=tls_context()) as (reader, writer):
            writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
            return (await next_frame(reader))[0] == SETTINGS
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


async def said(channel: grpc.aio.Channel, text: str) -> str:
    answer: StringValue = await EchoStub(channel).Once(StringValue(value=text), timeout=10)
    return answer.value


async def test_one_connection_too_many_is_closed_and_the_others_are_served(
    harness: Harness,
) -> None:
    port = await harness.serve(repeat, connections=2)
    channel = await harness.channel(port)
    await said(channel, "first")

    async with connected(port), connected(port) as (reader, _):
        await ended(reader)
        await said(channel, "while full")

    async with asyncio.timeout(SOON_SECONDS):
        while not await served(port):  # noqa: ASYNC110  # nobody tells that there is room
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["nothing", "half a record"])
async def test_a_connection_without_tls_is_closed_within_seconds(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(grpc_server, "HANDSHAKE_MS", SHORT_MS)
    port = await harness.serve(repeat)

    async with connected(port) as (reader, writer):
        writer.write(sent)
        await ended(reader)


async def test_a_connection_without_settings_is_closed_within_seconds(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "HANDSHAKE_MS", SHORT_MS)
    port = await harness.serve(repeat)

    async with connected(port, context=tls_context()) as (reader, _):
        await ended(reader)


async def test_a_client_that_does_not_acknowledge_settings_is_cut_off_within_seconds(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "SETTINGS_ACK_MS", SHORT_MS)
    port = await harness.serve(repeat)

    async with connected(port, context=tls_context()) as (reader, writer):
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
        await ended(reader)


async def test_an_idle_connection_is_told_to_leave_and_its_client_is_served_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "IDLE_MS", SHORT_MS)
    port = await harness.serve(repeat)
    channel = await harness.channel(port)
    await said(channel, "first")

    async with connected(port, context=tls_context()) as (reader, writer):
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
        async with asyncio.timeout(SOON_SECONDS):
            assert (await next_frame(reader))[0] == SETTINGS
            writer.write(frame(SETTINGS, ACK, 0, b""))
            while (await next_frame(reader))[0] != GOAWAY:
                pass

    for number in range(20):
        assert await said(channel, f"after {number}") == f"after {number}"
        await asyncio.sleep(SHORT_MS / 5_000)


async def test_a_client_may_send_no_more_ahead_than_http2_allows_anyone(
    harness: Harness,
) -> None:
    port = await harness.serve(repeat)

    async with connected(port, context=tls_context()) as (reader, writer):
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(PING, 0, 0, bytes(8)))
        told: dict[int, int] = {}
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                kind, flags, payload = await next_frame(reader)
                if kind == PING and flags & ACK:
                    break
                if kind == SETTINGS and not flags & ACK:
                    told |= dict(struct.iter_unpack(">HI", payload))

    assert told.get(INITIAL_WINDOW_SIZE, OWN_WINDOW) <= OWN_WINDOW
    assert told.get(MAX_FRAME_SIZE, OWN_FRAME) <= OWN_FRAME


async def test_who_pings_too_often_is_answered_and_kept(harness: Harness) -> None:
    """gRPC's core holds memory for each PING beyond its own limit, so it has none here."""
    port = await harness.serve(repeat)

    async with connected(port, context=tls_context()) as (reader, writer):
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
        for pings in (1_000, 1):
            writer.write(frame(PING, 0, 0, bytes(8)) * pings)
            unanswered = pings
            async with asyncio.timeout(SOON_SECONDS):
                while unanswered:
                    kind, flags, _ = await next_frame(reader)
                    assert kind != GOAWAY
                    unanswered -= kind == PING and bool(flags & ACK)
