"""One request and its answer, as they cross the connection."""

import asyncio
from collections.abc import Iterable

from starlette.types import Message, Receive, Scope, Send

from gateway.rendering.forms import Form, media_type_of_errors
from gateway.rendering.texts import text_for
from gateway.status import Failure

LINGER_SECONDS = 1.0
LINGER_BYTES = 4 * 1024 * 1024

SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-content-type-options", b"nosniff"),
)
CLOSE = (b"connection", b"close")
REQUEST_ID_HEADER = b"x-request-id"


class Exchange:
    """Puts the common headers on the answer and remembers how far both directions have come.

    An answer given before the whole body was read closes the connection: what is left of the
    body must not be taken for the next request.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, request_id: str) -> None:
        self._receive = receive
        self._send = send
        self._request_id = request_id
        headers = dict(scope["headers"])
        self._unread = (
            b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        )
        self._awaits_continue = b"expect" in headers
        self._accepts = [
            value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"
        ]
        self.status = 0
        """The status code answered; 0 before there is an answer."""

    async def receive(self) -> Message:
        """The next part of the request."""
        message = await self._receive()
        self._unread = self._unread and bool(message.get("more_body", False))
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._headers(message.get("headers", ()))}
        await self._send(message)

    def _headers(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The answer's own, and every common one on which it says nothing."""
        headers = list(given)
        said = {name.lower() for name, _ in headers}
        common = [(name, value) for name, value in SECURITY_HEADERS if name not in said]
        headers += [(REQUEST_ID_HEADER, self._request_id.encode()), *common]
        return [*headers, CLOSE] if self._unread else headers

    async def refuse(self, failure: Failure) -> None:
        """Answers with `failure`, whole, before the connection is closed on an unread body.

        A client that takes no form that there is gets JSON: it is told why, if not as it likes.
        """
        form = Form(media_type=media_type_of_errors(self._accepts))
        body = text_for(form).whole(failure.body)
        headers = {"content-type": form.media_type, "content-length": str(len(body))}
        await self.send(
            {
                "type": "http.response.start",
                "status": failure.reason.code,
                "headers": [
                    (name.encode(), value.encode())
                    for name, value in (headers | failure.headers).items()
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        await self._linger()
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        """Lets a client that sends first and reads later get to reading.

        Closing on unread input resets the connection, and the answer may be lost with it (RFC
        9112 §9.6). A client that waits for 100 (Continue) sends nothing more.
        """
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while self._unread and not self._awaits_continue and left > 0:
                    message = await self.receive()
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return
