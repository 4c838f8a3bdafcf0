"""An answer in plain HTTP to whoever speaks plain HTTP to a port of HTTPS.

OpenSSL would only end the connection, which says nothing to a person with a browser or curl.
"""

import ssl
from typing import Any

# What a TLS connection begins with: the type of a handshake's record (RFC 8446 §5.1).
HANDSHAKE = b"\x16"
TEXT = b"this port speaks HTTPS: use https://\n"
ANSWER = b"".join(
    (
        b"HTTP/1.1 400 Bad Request\r\n",
        b"content-type: text/plain; charset=utf-8\r\n",
        b"content-length: %d\r\n" % len(TEXT),
        b"connection: close\r\n\r\n",
        TEXT,
    )
)
READ_BYTES = 65_536  # of a request that is answered already; more ends the connection


class HttpsContext(ssl.SSLContext):
    """A server's context whose connections answer plain HTTP with 400 and a sentence."""

    def wrap_bio(  # type: ignore[override]  # an SSLObject in all that asyncio uses
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any
    ) -> "_Connection":
        """See ssl.SSLContext.wrap_bio."""
        made = super().wrap_bio(incoming, outgoing, *args, **options)
        return _Connection(made, incoming, outgoing)


class _Connection:
    """An SSLObject that looks at the first byte before its handshake does."""

    def __init__(
        self, made: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self._made, self._incoming, self._outgoing = made, incoming, outgoing
        self._known = False
        self._unread = READ_BYTES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)

    def do_handshake(self) -> None:
        """See ssl.SSLObject.do_handshake."""
        if self._known or not self._incoming.pending:
            self._made.do_handshake()
            return
        first = self._incoming.read()
        if self._unread == READ_BYTES and first.startswith(HANDSHAKE):
            self._known = True
            self._incoming.write(first)
            self._made.do_handshake()
            return
        self._turn_away(len(first))

    def _turn_away(self, count: int) -> None:
        """Raises SSLWantReadError, which sends the answer, and SSLError after too much more."""
        if self._unread == READ_BYTES:
            self._outgoing.write(ANSWER)
        self._unread -= count
        if self._unread <= 0:
            raise ssl.SSLError("plain HTTP on a port of HTTPS")
        # The rest is read and dropped: to end now could take the answer back on its way.
        raise ssl.SSLWantReadError
