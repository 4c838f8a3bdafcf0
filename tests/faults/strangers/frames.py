"""Floods of single frames, by their types (RFC 9113 §6), on an otherwise idle connection.

Named in CVE-2019-9512 (PING), -9515 (SETTINGS), -9513 (PRIORITY), -9518 (empty frames).
"""

import struct

from tests.faults.strangers.attack import Act, Attack, Target, flood, over_http2
from tests.faults.strangers.connection import Connection
from tests.integration.chassis.raw_http2 import (
    ACK,
    DATA,
    END_HEADERS,
    FRAME_BYTES,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    request_fields,
)

BLOCK_BYTES = 65_536
PATH = b"/grpc.health.v1.Health/Check"
UNKNOWN, SECURITY = 0xFA, 200  # the second is gRPC's own, which nobody has asked for


def many(one: bytes) -> bytes:
    return one * (BLOCK_BYTES // len(one) or 1)


def _settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def _on_open_stream(one: bytes, *, flags: int = END_HEADERS) -> Act:
    """The frame, again and again, on a stream whose request has begun."""

    async def act(connection: Connection, _target: Target) -> None:
        stream = next(connection.streams)
        await connection.send(frame(HEADERS, flags, stream, request_fields(PATH)))
        block = many(one[:5] + struct.pack(">I", stream) + one[9:])
        while True:
            await connection.send(block)

    return act


PINGS = many(frame(PING, 0, 0, bytes(8)))
CHANGES = _settings((INITIAL_WINDOW_SIZE, 1), (HEADER_TABLE_SIZE, 0)) + _settings(
    (INITIAL_WINDOW_SIZE, 2**31 - 1), (HEADER_TABLE_SIZE, 2**32 - 1)
)
GOING = frame(GOAWAY, 0, 0, bytes(8) + b"x" * (FRAME_BYTES - 8))

ATTACKS = {
    "PING": Attack(over_http2(flood(PINGS)), 2),
    "PING, answers unread": Attack(over_http2(flood(PINGS), read=False), 20),
    "PING acknowledgements": Attack(over_http2(flood(many(frame(PING, ACK, 0, bytes(8))))), 2),
    "SETTINGS": Attack(over_http2(flood(many(_settings()))), 2),
    "SETTINGS, answers unread": Attack(over_http2(flood(many(_settings())), read=False), 20),
    "SETTINGS that change": Attack(over_http2(flood(many(CHANGES))), 2),
    "SETTINGS of unknown names": Attack(
        over_http2(flood(_settings(*((0xF000 + n, n) for n in range(2_000)))))
    ),
    "SETTINGS acknowledgements": Attack(over_http2(flood(many(frame(SETTINGS, ACK, 0, b""))))),
    "PRIORITY": Attack(over_http2(flood(many(frame(PRIORITY, 0, 1, bytes(5))))), 2),
    "WINDOW_UPDATE of the connection": Attack(
        over_http2(flood(many(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1))))), 2
    ),
    "WINDOW_UPDATE of no stream": Attack(
        over_http2(flood(many(frame(WINDOW_UPDATE, 0, 99, struct.pack(">I", 1))))), 2
    ),
    "RST_STREAM of no stream": Attack(
        over_http2(flood(many(frame(RST_STREAM, 0, 99, bytes(4))))), 2
    ),
    "GOAWAY": Attack(over_http2(flood(many(GOING))), 2),
    "PUSH_PROMISE": Attack(over_http2(flood(many(frame(PUSH_PROMISE, 4, 1, bytes(4))))), 2),
    "unknown types": Attack(over_http2(flood(many(frame(UNKNOWN, 0xFF, 1, b"")))), 2),
    "unknown types, large": Attack(
        over_http2(flood(many(frame(UNKNOWN, 0, 0, bytes(FRAME_BYTES))))), 2
    ),
    "gRPC's security frame": Attack(
        over_http2(flood(many(frame(SECURITY, 0, 0, bytes(1_000))))), 2
    ),
    "empty DATA": Attack(over_http2(_on_open_stream(frame(DATA, 0, 0, b""))), 2),
    "DATA of no stream": Attack(over_http2(flood(many(frame(DATA, 0, 99, b"")))), 2),
    "HEADERS of an earlier stream": Attack(
        over_http2(flood(frame(HEADERS, 4, 9, b"") + many(frame(HEADERS, 4, 1, b"\x82")))), 2
    ),
}
