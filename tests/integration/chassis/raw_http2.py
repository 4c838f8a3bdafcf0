"""Just enough HTTP/2 by hand to say what no client library would.

Sources: RFC 9113 §4.1 (frames), §6 (their types), §6.5.2 (settings); RFC 7541 §5.1 (integers),
§6 (fields).
"""

import asyncio
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
FRAME_BYTES = 16_384
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 0x1, 0x4, 0x5


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
    )


def header(name: bytes, value: bytes) -> bytes:
    """A literal field without indexing, neither part Huffman-coded."""
    return b"\x00" + _text(name) + _text(value)


def indexed_header(name: bytes, value: bytes) -> bytes:
    """A literal field that the peer puts into its table, as the first of those not static."""
    return b"\x40" + _text(name) + _text(value)


def integer(number: int, prefix_bits: int, pattern: int = 0) -> bytes:
    """The number after the bits of `pattern`, which lie above the prefix."""
    limit = (1 << prefix_bits) - 1
    if number < limit:
        return bytes([pattern | number])
    number -= limit
    parts = [pattern | limit]
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def request_fields(path: bytes) -> bytes:
    """What every gRPC request begins with."""
    fields = [
        header(b":method", b"POST"),
        header(b":scheme", b"https"),
        header(b":path", path),
        header(b":authority", b"localhost"),
        header(b"te", b"trailers"),
        header(b"content-type", b"application/grpc"),
    ]
    return b"".join(fields)


def headers_frames(stream: int, block: bytes, flags: int = 0) -> bytes:
    """A field block as one HEADERS frame and as many CONTINUATION frames as it needs."""
    first, *more = _parts(block)
    kinds = [HEADERS] + [CONTINUATION] * len(more)
    ends = [0] * len(more) + [END_HEADERS]
    return b"".join(
        frame(kind, end | (flags if kind == HEADERS else 0), stream, part)
        for kind, end, part in zip(kinds, ends, (first, *more), strict=True)
    )


def tls_context() -> ssl.SSLContext:
    """That of a client that takes any certificate and speaks HTTP/2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def _text(text: bytes) -> bytes:
    return integer(len(text), 7) + text


async def ask(
    port: int,
    path: bytes,
    *,
    body: bytes = b"\x00\x00\x00\x00\x00",
    more_fields: bytes = b"",
    trailers: bytes = b"",
) -> bytes:
    """All that the server answers to one gRPC request for `path` until its stream ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls_context())
    writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
    writer.write(headers_frames(1, request_fields(path) + more_fields))
    *parts, last = _parts(body)
    for part in parts:
        writer.write(frame(DATA, 0, 1, part))
    writer.write(frame(DATA, 0 if trailers else END_STREAM, 1, last))
    if trailers:
        writer.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, trailers))
    try:
        return await _until_stream_ends(reader)
    finally:
        writer.transport.abort()


def _parts(body: bytes) -> list[bytes]:
    """As long as a frame may be; of the first 65 535 bytes the server takes any number."""
    return [body[at : at + FRAME_BYTES] for at in range(0, len(body) or 1, FRAME_BYTES)]


async def _until_stream_ends(reader: asyncio.StreamReader) -> bytes:
    answered = b""
    while True:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        answered += head + payload
        ended = kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM)
        if kind == GOAWAY or (stream == 1 and ended):
            return answered
