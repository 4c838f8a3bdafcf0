"""Messages of TLS that Python's ssl does not send: KeyUpdate and renegotiation, by libssl.

Both are sent in a thread, on a blocking socket. RFC 8446 §4.6.3, RFC 5246 §7.4.1.1.
"""

import asyncio
import ctypes
import ctypes.util
import socket
import threading
from collections.abc import Callable

from tests.faults.strangers.attack import Target
from tests.faults.strangers.connection import HOST, OWN_ADDRESS, PATIENCE_SECONDS

TLS1_2_VERSION, SET_MAX_VERSION = 0x0303, 124  # SSL_CTRL_SET_MAX_PROTO_VERSION
KEY_UPDATE_REQUESTED = 1
ALPN = b"\x02h2"


class NoLibsslError(Exception):
    """There is no libssl of OpenSSL 3 here."""


def _libssl() -> ctypes.CDLL:
    name = ctypes.util.find_library("ssl")
    if name is None or not name.endswith(".so.3"):
        raise NoLibsslError
    library = ctypes.CDLL(name)
    for function in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(library, function).restype = ctypes.c_void_p
    return library


class _Client:
    """A TLS connection by libssl. Raises NoLibsslError, OSError."""

    def __init__(self, port: int, *, tls12: bool) -> None:
        self._library = library = _libssl()
        self._context = ctypes.c_void_p(
            library.SSL_CTX_new(ctypes.c_void_p(library.TLS_client_method()))
        )
        if tls12:
            library.SSL_CTX_ctrl(self._context, SET_MAX_VERSION, TLS1_2_VERSION, None)
        library.SSL_CTX_set_alpn_protos(self._context, ALPN, len(ALPN))
        self._ssl = ctypes.c_void_p(library.SSL_new(self._context))
        self._socket = socket.create_connection((HOST, port), PATIENCE_SECONDS, OWN_ADDRESS)
        self._socket.settimeout(None)
        library.SSL_set_fd(self._ssl, self._socket.fileno())
        self._check(library.SSL_connect(self._ssl))

    def update_keys(self) -> None:
        """Raises OSError once the server has closed the connection."""
        self._check(self._library.SSL_key_update(self._ssl, KEY_UPDATE_REQUESTED))
        self._check(self._library.SSL_do_handshake(self._ssl))

    def renegotiate(self) -> None:
        """Raises OSError once the server has closed the connection."""
        self._check(self._library.SSL_renegotiate(self._ssl))
        self._check(self._library.SSL_do_handshake(self._ssl))

    def close(self) -> None:
        self._socket.close()
        self._library.SSL_free(self._ssl)
        self._library.SSL_CTX_free(self._context)

    def _check(self, code: int) -> None:
        if code != 1:
            self._library.ERR_clear_error()
            raise ConnectionResetError


def _again_and_again(
    port: int, stopping: threading.Event, say: Callable[[_Client], None], *, tls12: bool
) -> None:
    client = _Client(port, tls12=tls12)
    try:
        while not stopping.is_set():
            say(client)
    finally:
        client.close()


async def key_updates(target: Target) -> None:
    """One after another, and nothing else. Raises OSError when the server ends it."""
    await _in_thread(target, _Client.update_keys, tls12=False)


async def renegotiations(target: Target) -> None:
    """As key_updates, over TLS 1.2."""
    await _in_thread(target, _Client.renegotiate, tls12=True)


async def _in_thread(target: Target, say: Callable[[_Client], None], *, tls12: bool) -> None:
    stopping = threading.Event()
    try:
        await asyncio.to_thread(_again_and_again, target.port, stopping, say, tls12=tls12)
    finally:
        stopping.set()
