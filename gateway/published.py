"""Documents that are the same for every caller: made once, and known to caches by a tag.

Nothing here is anybody's: discovery, API descriptions and the files of the documentation page.
"""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.rendering.accept import accepts_gzip

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]

SMALLEST_COMPRESSED = 1_024  # bytes; below it, compression saves no packet

PART_BYTES = 65_536
"""Sent at a time: a client that does not read holds this much, and it needs no token to ask."""

FOREVER = "public, max-age=31536000, immutable"
"""For an address that names the document by its hash."""

REVALIDATE = "no-cache"


class Published:
    """One document, plain and compressed."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self._body = body
        self._media_type = media_type
        self._compressed = b""
        self.hash = hashlib.sha256(body).hexdigest().upper()

    async def answer(
        self, request: Request, headers: Mapping[str, str] | None = None
    ) -> Response:
        """200 and the document, or 304 for a client that has it (RFC 9110 §13.1.2)."""
        compressed = len(self._body) >= SMALLEST_COMPRESSED and accepts_gzip(
            request.headers.getlist("accept-encoding")
        )
        told = self._headers(request, compressed=compressed) | dict(headers or {})
        if self._is_known_to(request):
            return Response(status_code=304, headers=told)
        body = await self._gzipped() if compressed else self._body
        told["content-length"] = str(len(body))
        return StreamingResponse(_parts(body), media_type=self._media_type, headers=told)

    def _headers(self, request: Request, *, compressed: bool) -> dict[str, str]:
        by_hash = request.query_params.get("hash") == self.hash
        told = {
            "cache-control": FOREVER if by_hash else REVALIDATE,
            "etag": f'"{self.hash}-gzip"' if compressed else f'"{self.hash}"',
            "vary": "accept, accept-encoding",
        }
        return told | ({"content-encoding": "gzip"} if compressed else {})

    def _is_known_to(self, request: Request) -> bool:
        sent = ",".join(request.headers.getlist("if-none-match"))
        tags = {tag.strip().removeprefix("W/") for tag in sent.split(",")}
        return not tags.isdisjoint({"*", f'"{self.hash}"', f'"{self.hash}-gzip"'})

    async def _gzipped(self) -> bytes:
        """Compressed when first asked for, beside the event loop; always to the same bytes."""
        if not self._compressed:
            self._compressed = await asyncio.to_thread(gzip.compress, self._body, mtime=0)
        return self._compressed


async def _parts(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PART_BYTES):
        yield body[start : start + PART_BYTES]
