"""Reading a request's body: bounded in bytes and in time, then as strict JSON or YAML."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from gateway.bodies.content_type import (
    APPLY_PATCH,
    JSON,
    JSON_PATCH,
    MERGE_PATCH,
    OBJECT_TYPES,
    YAML,
    content_type_of,
)
from gateway.bodies.field_paths import shown_path
from gateway.bodies.request_json import JsonObject, parse_json
from gateway.bodies.request_tree import Document
from gateway.bodies.request_yaml import parse_yaml
from gateway.errors import (
    BadRequestError,
    BodyTooLargeError,
    ClientGoneError,
    RequestTimeoutError,
)

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Language:
    """How a body is read, and up to how many bytes beside which other requests do not wait."""

    parse: Callable[[bytearray], Document]
    inline_bytes: int


_JSON = Language(parse_json, inline_bytes=65_536)
_YAML = Language(parse_yaml, inline_bytes=4_096)
LANGUAGES: Mapping[str, Language] = {
    JSON: _JSON,
    YAML: _YAML,
    JSON_PATCH: _JSON,
    MERGE_PATCH: _JSON,
    APPLY_PATCH: _YAML,
}


async def read_document(
    request: Request, supported: Sequence[str], *, default: str = ""
) -> tuple[str, Document]:
    """The media type of the body and what it says.

    Raises BadRequestError, UnsupportedMediaTypeError, BodyTooLargeError, RequestTimeoutError;
    ClientGoneError when the connection ends first.
    """
    if not has_body(request):
        raise BadRequestError("the request body is empty")
    media_type = content_type_of(request.headers, supported, default=default)
    body = await read_bytes(request)
    if not body:
        raise BadRequestError("the request body is empty")
    return media_type, await _parsed(body, LANGUAGES[media_type])


async def read_object(request: Request) -> JsonObject:
    """The one object of the body, no field of which comes twice. Raises as read_document."""
    _, document = await read_document(request, OBJECT_TYPES, default=JSON)
    return _unrepeated(document)


async def read_object_if_any(request: Request) -> JsonObject:
    """The object of the body, empty without a body. Raises what read_object raises.

    Where there is no body it does not matter which type is declared for it: clients declare one
    for every request.
    """
    body = await read_bytes(request) if has_body(request) else bytearray()
    if not body:
        return {}
    media_type = content_type_of(request.headers, OBJECT_TYPES, default=JSON)
    return _unrepeated(await _parsed(body, LANGUAGES[media_type]))


def has_body(request: Request) -> bool:
    """Whether the head announces a body (RFC 9112 §6.3); it may still be an empty one."""
    headers = request.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def object_in(document: Document) -> JsonObject:
    """The object that the document is. Raises BadRequestError: it is something else."""
    if not isinstance(document.tree, dict):
        raise BadRequestError("the request body must be an object")
    return document.tree


def _unrepeated(document: Document) -> JsonObject:
    if document.repeated:
        raise BadRequestError(f'duplicate field "{shown_path(document.repeated[0])}"')
    return object_in(document)


async def _parsed(body: bytearray, language: Language) -> Document:
    """Long bodies are read beside the event loop, so that no client holds up the others."""
    if len(body) <= language.inline_bytes:
        return language.parse(body)
    return await asyncio.to_thread(language.parse, body)


async def read_bytes(request: Request) -> bytearray:
    """The body as it came. Raises BodyTooLargeError, RequestTimeoutError, ClientGoneError."""
    if _declared_bytes(request.headers.get("content-length", "")) > MAX_BODY_BYTES:
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
