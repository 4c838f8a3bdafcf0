"""Reading a request's body: bounded in bytes and in time, then as strict JSON."""

import asyncio

from starlette.requests import Request

from gateway.errors import (
    BadRequestError,
    BodyTooLargeError,
    ClientGoneError,
    RequestTimeoutError,
)
from gateway.negotiation import check_content
from gateway.request_json import JsonObject, parse_object

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 10.0
INLINE_BYTES = 65_536


async def read_object(request: Request) -> JsonObject:
    """The request's JSON object.

    Raises BadRequestError, UnsupportedMediaTypeError, BodyTooLargeError, RequestTimeoutError;
    ClientGoneError when the connection ends first.
    """
    body = await _read(request)
    if not body:
        raise BadRequestError("the request body is empty")
    return await _parsed(body)


async def read_object_if_any(request: Request) -> JsonObject:
    """The request's JSON object, empty without a body. Raises what read_object raises."""
    body = await _read(request)
    return await _parsed(body) if body else {}


async def _parsed(body: bytearray) -> JsonObject:
    """Long bodies are read beside the event loop, so that no client holds up the others."""
    if len(body) <= INLINE_BYTES:
        return parse_object(body)
    return await asyncio.to_thread(parse_object, body)


async def _read(request: Request) -> bytearray:
    headers = request.headers
    check_content(headers.getlist("content-type"), headers.getlist("content-encoding"))
    if _declared_bytes(headers.get("content-length", "")) > MAX_BODY_BYTES:
        raise BodyTooLargeError
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collected(request)
    except TimeoutError:
        raise RequestTimeoutError from None


def _declared_bytes(content_length: str) -> int:
    """What the client says; the server has already refused what is no number."""
    return int(content_length) if content_length.isdecimal() else 0


async def _collected(request: Request) -> bytearray:
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError
        more = message.get("more_body", False)
    return body
