"""Attacks before HTTP/2: connections that say nothing, and the states of TLS (RFC 8446)."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.strangers.attack import Attack, Once, Target, over_http2
from tests.faults.strangers.connection import (
    CONTEXT,
    HOST,
    OWN_ADDRESS,
    PATIENCE_SECONDS,
    Connection,
)
from tests.faults.strangers.tls_messages import key_updates, renegotiations
from tests.integration.chassis.raw_http2 import PREFACE

BYTE_SECONDS = 0.2  # between two bytes of a slow one
RECORD_BYTES = 16_384
HANDSHAKE, CLIENT_HELLO = 22, 1


def _hello() -> bytes:
    """A ClientHello as clients send it, in its record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = CONTEXT.wrap_bio(incoming, outgoing)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake needs an answer")


HELLO = _hello()


@asynccontextmanager
async def _bare(port: int) -> AsyncIterator[socket.socket]:
    """TCP and nothing more."""
    loop = asyncio.get_running_loop()
    with socket.socket() as made:
        made.settimeout(0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            made.bind(OWN_ADDRESS)
            await loop.sock_connect(made, (HOST, port))
        yield made


async def _until_closed(made: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(made, 65_536):
        pass


def _saying(data: bytes) -> Once:
    """Bytes, and then silence until the server closes the connection."""

    async def once(target: Target) -> None:
        async with _bare(target.port) as made:
            await asyncio.get_running_loop().sock_sendall(made, data)
            await _until_closed(made)

    return once


async def _byte_by_byte(target: Target) -> None:
    async with _bare(target.port) as made:
        for byte in HELLO:
            await asyncio.get_running_loop().sock_sendall(made, bytes([byte]))
            await asyncio.sleep(BYTE_SECONDS)


async def _endless_hello(target: Target) -> None:
    """A ClientHello of 16 MiB, by its own account."""
    head = bytes([CLIENT_HELLO]) + (2**24 - 1).to_bytes(3)
    body = head + os.urandom(RECORD_BYTES - len(head))
    async with _bare(target.port) as made:
        while True:
            record = bytes([HANDSHAKE, 3, 1]) + len(body).to_bytes(2) + body
            await asyncio.get_running_loop().sock_sendall(made, record)
            body = os.urandom(RECORD_BYTES)


async def _handshake(target: Target) -> None:
    """TLS begins and the connection ends."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        transport, _ = await loop.create_connection(
            asyncio.Protocol, HOST, target.port, ssl=CONTEXT, local_addr=OWN_ADDRESS
        )
    transport.abort()


def _after_tls(data: bytes) -> Once:
    """TLS is agreed upon; then these bytes, and silence."""

    async def once(target: Target) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(
                HOST, target.port, ssl=CONTEXT, local_addr=OWN_ADDRESS
            )
        try:
            writer.write(data)
            while await reader.read(65_536):
                pass
        finally:
            writer.transport.abort()

    return once


async def _idle(connection: Connection, _target: Target) -> None:
    await connection.held()


async def _gone_at_once(_connection: Connection, _target: Target) -> None:
    """HTTP/2 has begun, and ends."""


async def _half_closed(connection: Connection, _target: Target) -> None:
    """The stranger has said all that he will say, and the server may go on."""
    connected: socket.socket | None = connection.transport.get_extra_info("socket")
    if connected is None:
        raise EOFError
    with socket.fromfd(connected.fileno(), connected.family, connected.type) as same:
        same.shutdown(socket.SHUT_WR)
    await connection.held()


ATTACKS = {
    "TCP alone": Attack(_saying(b""), 3_000),
    "half a ClientHello": Attack(_saying(HELLO[: len(HELLO) // 2]), 3_000),
    "a ClientHello and no more": Attack(_saying(HELLO), 1_500),
    "a ClientHello byte by byte": Attack(_byte_by_byte, 1_000),
    "a ClientHello without an end": Attack(_endless_hello, 20),
    "no TLS at all": Attack(_saying(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100), 50),
    "TLS alone": Attack(_after_tls(b""), 500),
    "no SETTINGS": Attack(_after_tls(PREFACE), 500),
    "HTTP/1.1 over TLS": Attack(_after_tls(b"GET / HTTP/1.1\r\n\r\n" * 100), 50),
    "handshakes": Attack(_handshake, 8),
    "connections that come and go": Attack(over_http2(_gone_at_once), 8),
    "idle connections": Attack(over_http2(_idle), 500),
    "half-closed connections": Attack(over_http2(_half_closed), 500),
    "KeyUpdate": Attack(key_updates, 2),
    "renegotiation": Attack(renegotiations, 2),
}
