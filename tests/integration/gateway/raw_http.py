"""Requests as bytes, and answers as bytes: what no HTTP client would send or show."""

import json

from tests.fakes.gateway.services import ADMIN
from tests.integration.gateway.conftest import VALUES

HOST = b"Host: localhost\r\n"
BEARER = f"Authorization: Bearer {ADMIN}\r\n".encode()


def posting(body: bytes, *headers: bytes, target: str = VALUES) -> bytes:
    head = b"POST %s HTTP/1.1\r\n" % target.encode() + HOST + BEARER
    length = b"Content-Length: %d\r\n" % len(body)
    return head + length + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body


def is_status(received: bytes, code: int) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    status = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % code), head
    assert (status["kind"], status["apiVersion"], status["code"]) == ("Status", "v1", code)
    return bool(status["message"])
