"""Just enough HTTP/2 by hand to say what no client library would.

Sources: RFC 9113 §4.1 (frames), §6.2 (HEADERS), §6.5 (SETTINGS); RFC 7541 §6.2.2 (literals).
"""

import asyncio
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
FRAME_BYTES = 16_384
END_STREAM, END_HEADERS = 0x1, 0x4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
    )


def header(name: bytes, value: bytes) -> bytes:
    """A literal field without indexing, neither part Huffman-coded."""
    return b"\x00" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    assert len(text) < 127, "one length byte is enough here"
    return bytes([len(text)]) + text


async def ask(
    port: int,
    path: bytes,
    *,
    body: bytes = b"\x00\x00\x00\x00\x00",
    more_fields: bytes = b"",
    trailers: bytes = b"",
) -> bytes:
    """All that the server answers to one gRPC request for `path` until its stream ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    fields = [
        header(b":method", b"POST"),
        header(b":scheme", b"https"),
        header(b":path", path),
        header(b":authority", b"localhost"),
        header(b"te", b"trailers"),
        header(b"content-type", b"application/grpc"),
    ]
    writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
    writer.write(frame(HEADERS, END_HEADERS, 1, b"".join(fields) + more_fields))
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
