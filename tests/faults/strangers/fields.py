"""Attacks by field blocks: large ones, compressed ones, without an end, or without sense.

Known as the HPACK bomb (CVE-2016-6581), CONTINUATION floods (CVE-2024-27316 and others), empty
names (CVE-2019-9516).
"""

from tests.faults.strangers.attack import Act, Attack, Target, over_http2
from tests.faults.strangers.connection import Connection
from tests.faults.strangers.frames import many
from tests.faults.strangers.streams import (
    DECRYPT,
    HEALTH_CHECK,
    begun,
    without_end,
)
from tests.integration.chassis.raw_http2 import (
    CONTINUATION,
    FRAME_BYTES,
    HEADERS,
    frame,
    header,
    headers_frames,
    indexed_header,
    integer,
    request_fields,
)

MEBIBYTE = 1024 * 1024
TABLE_ENTRY = 4_000  # of the 4 096 bytes that a table has
FIRST_OF_TABLE = integer(62, 7, 0x80)
CALLS = 50  # with large fields, on one connection
LONGEST_INTEGER = 2**31


def _large(calls: int) -> Act:
    """So many calls, each with a mebibyte of fields as they are."""

    async def act(connection: Connection, _target: Target) -> None:
        one = header(b"x-large", b"x" * (FRAME_BYTES // 2))
        block = request_fields(DECRYPT) + one * (MEBIBYTE // len(one))
        for _ in range(calls):
            await connection.send(headers_frames(next(connection.streams), block))
        await connection.held()

    return act


def _expanding(calls: int, entry: bytes) -> Act:
    """So many calls, each with a mebibyte of fields that the table holds once."""

    async def act(connection: Connection, _target: Target) -> None:
        fill = request_fields(DECRYPT) + indexed_header(b"x", entry)
        await connection.send(headers_frames(next(connection.streams), fill))
        times = MEBIBYTE // (len(entry) + 33)
        block = request_fields(DECRYPT) + FIRST_OF_TABLE * times
        for _ in range(calls):
            await connection.send(headers_frames(next(connection.streams), block))
        await connection.held()

    return act


def _continued(parts: bytes) -> Act:
    """A field block that goes on without an end."""

    async def act(connection: Connection, _target: Target) -> None:
        stream = next(connection.streams)
        await connection.send(frame(HEADERS, 0, stream, request_fields(DECRYPT)))
        block = many(frame(CONTINUATION, 0, stream, parts))
        while True:
            await connection.send(block)

    return act


def _with_fields(fields: bytes) -> Act:
    return without_end(begun(HEALTH_CHECK, fields))


LARGE_PART = header(b"x-large", b"x" * 16_000)
ENDLESS_TEXT = b"\x00\x01x" + integer(LONGEST_INTEGER, 7)
TABLE_SIZES = integer(0, 5, 0x20) + integer(4_096, 5, 0x20)
BAD_TIMEOUT = header(b"grpc-timeout", b"9" * 60 + b"S")

ATTACKS = {
    "large fields before SETTINGS are acknowledged": Attack(
        over_http2(_large(CALLS), acknowledge=False), 36
    ),
    "large fields": Attack(over_http2(_large(CALLS)), 4),
    "expanding fields before SETTINGS are acknowledged": Attack(
        over_http2(_expanding(CALLS, b"x" * TABLE_ENTRY), acknowledge=False), 36
    ),
    "small expanding fields before SETTINGS are acknowledged": Attack(
        over_http2(_expanding(CALLS, b"x"), acknowledge=False), 36
    ),
    "expanding fields": Attack(over_http2(_expanding(CALLS, b"x" * TABLE_ENTRY)), 4),
    "CONTINUATION without an end": Attack(over_http2(_continued(LARGE_PART)), 2),
    "CONTINUATION before SETTINGS are acknowledged": Attack(
        over_http2(_continued(LARGE_PART), acknowledge=False), 20
    ),
    "empty CONTINUATION": Attack(over_http2(_continued(b"")), 2),
    "a text without an end": Attack(over_http2(_continued(ENDLESS_TEXT)), 2),
    "table sizes": Attack(over_http2(_with_fields(TABLE_SIZES)), 2),
    "a table larger than allowed": Attack(
        over_http2(_with_fields(integer(LONGEST_INTEGER, 5, 0x20))), 2
    ),
    "entries that displace one another": Attack(
        over_http2(_with_fields(indexed_header(b"x", b"x" * 3_000) * 4)), 2
    ),
    "empty names": Attack(over_http2(_with_fields(header(b"", b"") * 200)), 2),
    "many small fields": Attack(over_http2(_with_fields(header(b"a", b"b") * 500)), 2),
    "a bad index": Attack(over_http2(_with_fields(integer(1_000, 7, 0x80))), 2),
    "timeouts that are none": Attack(over_http2(_with_fields(BAD_TIMEOUT)), 2),
}
