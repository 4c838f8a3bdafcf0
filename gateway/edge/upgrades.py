"""The opening handshake of a WebSocket (RFC 6455 §4), checked before anything answers it.

A client that asked for a WebSocket reads any 200 as its beginning and then waits for frames, so
such a request is either a complete handshake or refused. Offers of other protocols are declined
by not mentioning them (RFC 9110 §7.8).
"""

import base64
import binascii
from collections.abc import Iterable

from gateway.errors import (
    BadRequestError,
    LostHandshakeError,
    WebSocketVersionError,
)

VERSION = b"13"
KEY_BYTES = 16
_PREFIX = b"sec-websocket-"
_KEY = b"sec-websocket-key"
_VERSION = b"sec-websocket-version"

Headers = list[tuple[bytes, bytes]]


def asks_for_websocket(headers: Headers) -> bool:
    """Whether the client meant to open a WebSocket, completely or not."""
    return b"websocket" in _options(headers, b"upgrade") or any(
        name.startswith(_PREFIX) for name, _ in headers
    )


def check_handshake(method: bytes, headers: Headers, http_version: str) -> None:
    """Raises BadRequestError, LostHandshakeError, WebSocketVersionError.

    Names of headers are in lower case.
    """
    if method != b"GET" or http_version != "1.1":
        raise BadRequestError("a WebSocket is opened by a GET request of HTTP/1.1")
    if _values(headers, b"upgrade") == [] or b"upgrade" not in _options(headers, b"connection"):
        raise LostHandshakeError
    for name in (b"upgrade", b"connection", _KEY, _VERSION):
        if len(_values(headers, name)) > 1:
            raise BadRequestError("a header of the WebSocket handshake is given twice")
    if _values(headers, b"upgrade")[0].lower() != b"websocket":
        raise BadRequestError("a WebSocket is offered together with another protocol")
    if _values(headers, _VERSION) != [VERSION]:
        raise WebSocketVersionError
    if not _is_key(b"".join(_values(headers, _KEY))):
        raise BadRequestError("Sec-WebSocket-Key: must be 16 bytes in base64")
    _check_host(b"".join(_values(headers, b"host")))


def _check_host(host: bytes) -> None:
    """The WebSocket library decodes it, and has no answer for what cannot be decoded."""
    try:
        host.decode("idna")
    except UnicodeError:
        raise BadRequestError("the Host header must be a host and at most a port") from None


def _is_key(text: bytes) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except binascii.Error:
        return False


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value.strip() for name, value in headers if name == wanted]


def _options(headers: Headers, name: bytes) -> set[bytes]:
    listed = b",".join(_values(headers, name))
    return {option.strip().lower() for option in listed.split(b",")}
