"""Who speaks plain HTTP to a port of HTTPS is told so."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from chassis.http_server import HttpServer
from chassis.plain_http import READ_BYTES
from chassis.tls_files import CurrentTls, Tls
from tests.integration.chassis.certificates import Authority


async def answer(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("over TLS")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def port(authority: Authority) -> AsyncIterator[int]:
    pair = authority.issue("localhost")
    app = Starlette(routes=[Route("/", answer)])
    server = HttpServer(
        app, "127.0.0.1", 0, tls=CurrentTls(Tls(pair.certificate, pair.private_key))
    )
    yield await server.start()
    await server.stop(1)


REQUESTS = {
    "GET": b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a method OpenSSL does not know": b"PATCH / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a body": b"POST / HTTP/1.1\r\ncontent-length: 20000\r\n\r\n" + b"x" * 20_000,
    "one byte": b"G",
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_plain_http_is_answered_with_400_and_a_sentence(
    port: int, request_: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_)

    status = await asyncio.wait_for(reader.readline(), 5)
    writer.write_eof()
    rest = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert status == b"HTTP/1.1 400 Bad Request\r\n"
    assert rest.partition(b"\r\n\r\n")[2] == b"this port speaks HTTPS: use https://\n"
    assert b"content-type: text/plain" in rest
    assert b"connection: close" in rest


async def test_whoever_goes_on_sending_is_cut_off(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)

    with pytest.raises(OSError):  # noqa: PT011  # a reset or a broken pipe
        await send_without_end(writer)
    writer.close()


async def send_without_end(writer: asyncio.StreamWriter) -> None:
    for _ in range(100):
        writer.write(b"x" * READ_BYTES)
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("piece", [1, 5, 10_000])
async def test_tls_goes_on_as_before_however_it_comes(
    port: int, authority: Authority, piece: int
) -> None:
    context = ssl.create_default_context(cafile=authority.certificate)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            for byte in pieces(outgoing.read(), piece):
                writer.write(byte)
                await writer.drain()
            incoming.write(await asyncio.wait_for(reader.read(65_536), 5))
    tls.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    writer.write(outgoing.read())
    received = b""
    while b"over TLS" not in received:
        try:
            received += tls.read()
        except ssl.SSLWantReadError:
            incoming.write(await asyncio.wait_for(reader.read(65_536), 5))
    writer.close()

    assert received.startswith(b"HTTP/1.1 200 ")


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]
