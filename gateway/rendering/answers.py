"""Answers with a document in them, in the form that the client takes.

A long answer is compressed for a client that says it reads gzip. Nothing here is a secret (no
answer has a value in it) and no credential travels by itself, as cookies do, so that the length
of a compressed answer tells nobody anything (the BREACH attack needs both).
"""

import asyncio
import gzip
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.bodies.request_json import JsonObject
from gateway.edge.request_state import form_of
from gateway.rendering.forms import YAML, Form
from gateway.rendering.shapes import list_shape, shaped
from gateway.rendering.texts import in_parts, text_for

COMPRESSED_FROM_BYTES = 16_384
ITEMS_AT_ONCE = 20
"""Written between two looks at whether the client still reads."""

_FAST = 1
_GZIP = 31  # zlib's window bits for gzip's own head and checksum
_GZIP_HEADERS = {"content-encoding": "gzip", "vary": "accept-encoding"}


def answer(
    document: JsonObject,
    request: Request,
    *,
    status_code: int = 200,
    warnings: Sequence[str] = (),
) -> Response:
    """`document`; each warning is the value of one `Warning` header (RFC 9111 §5.5)."""
    return DocumentAnswer(
        document, form_of(request.scope), status_code=status_code, warnings=warnings
    )


def list_answer(
    head: JsonObject,
    pages: AsyncGenerator[Iterable[JsonObject], None],
    request: Request,
    *,
    warnings: Sequence[str] = (),
) -> Response:
    """A list whose document, but for its items, is `head`, written while it is read.

    What `pages` raises is raised before anything is sent, or else cuts the answer off.
    """
    return ListAnswer(head, pages, form_of(request.scope), warnings=warnings)


class DocumentAnswer(Response):
    """One document, written when it is sent."""

    def __init__(
        self,
        document: JsonObject,
        form: Form,
        *,
        status_code: int = 200,
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(status_code=status_code, media_type=form.media_type)
        self._document = document
        self._form = form
        self._warnings = warnings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        body, headers = await self._written(), {}
        if self._form.compressible and len(body) >= COMPRESSED_FROM_BYTES:
            body = await asyncio.to_thread(gzip.compress, body, _FAST, mtime=0)
            headers = _GZIP_HEADERS
        whole = Response(
            body,
            status_code=self.status_code,
            headers=headers,
            media_type=self._form.media_type,
        )
        for warning in self._warnings:
            whole.headers.append("warning", warning)
        await whole(scope, receive, send)

    async def _written(self) -> bytes:
        text, document = text_for(self._form), shaped(self._document, self._form)
        if self._form.media_type == YAML:
            return await asyncio.to_thread(text.whole, document)
        return text.whole(document)


class ListAnswer(Response):
    """A list of any length, of which little is held at a time."""

    def __init__(
        self,
        head: JsonObject,
        pages: AsyncGenerator[Iterable[JsonObject], None],
        form: Form,
        *,
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(media_type=form.media_type)
        self._warnings = warnings
        self._head = head
        self._pages = pages
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        async with aclosing(self._pages), aclosing(self._written()) as parts:
            begun, more = await _gathered(parts, COMPRESSED_FROM_BYTES)
            compressed = self._form.compressible and more
            stream = (_compressed if compressed else _joined)(begun, parts)
            async with aclosing(stream):
                headers = _GZIP_HEADERS if compressed else {}
                whole = StreamingResponse(
                    stream, headers=headers, media_type=self._form.media_type
                )
                for warning in self._warnings:
                    whole.headers.append("warning", warning)
                await whole(scope, receive, send)

    async def _written(self) -> AsyncGenerator[bytes, None]:
        shape, text = list_shape(self._head, self._form), text_for(self._form)
        yield text.opening(shape.head, shape.member)
        empty = True
        async for page in self._pages:
            for part in in_parts(page, at_most=ITEMS_AT_ONCE):
                shown = [shape.of_item(item) for item in part]
                if self._form.media_type == YAML:
                    yield await asyncio.to_thread(text.items, shown, first=empty)
                else:
                    yield text.items(shown, first=empty)
                empty = False
        yield text.closing(empty=empty)


async def _gathered(parts: AsyncIterator[bytes], at_least: int) -> tuple[bytes, bool]:
    """The first so many bytes, and whether more may follow."""
    begun = bytearray()
    async for part in parts:
        begun += part
        if len(begun) >= at_least:
            return bytes(begun), True
    return bytes(begun), False


async def _joined(
    begun: bytes, parts: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    yield begun
    async for part in parts:
        yield part


async def _compressed(
    begun: bytes, parts: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    packer = zlib.compressobj(_FAST, wbits=_GZIP)
    yield packer.compress(begun)
    async for part in parts:
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()
