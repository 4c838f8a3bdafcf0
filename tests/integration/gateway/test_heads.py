"""A request's head ends where its body begins, and a credential stands only in the head."""

import pytest

from tests.fakes.gateway.services import ADMIN
from tests.integration.gateway.conftest import KEEPERS, VALUES, Gateway
from tests.integration.gateway.raw_http import BEARER, HOST, is_status

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"
CREATED = b'{"metadata":{"name":"a"},"spec":{"description":"d","value":"v"}}'
ROUTES = {
    "create": b"POST " + VALUES.encode(),
    "list": b"GET " + VALUES.encode(),
    "watch": b"GET " + VALUES.encode() + b"?watch=true&timeoutSeconds=1",
    "read": b"GET " + VALUES.encode() + b"/a",
    "delete": b"DELETE " + VALUES.encode() + b"/a",
    "activate": b"POST " + KEEPERS.encode() + b"/a/activate",
    "review": b"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
}
CREDENTIALS = {
    "Authorization": BEARER,
    "X-Access-Token": f"X-Access-Token: {ADMIN}\r\n".encode(),
}


def chunked(request_line: bytes, *fields: bytes, body: bytes, trailers: bytes) -> bytes:
    head = request_line + b" HTTP/1.1\r\n" + HOST + CLOSE + CHUNKED + b"".join(fields)
    chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return head + b"\r\n" + chunk + b"0\r\n" + trailers + b"\r\n"


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("route", ROUTES)
async def test_a_credential_in_a_trailer_is_none(
    gateway: Gateway, route: str, credential: str
) -> None:
    sent = chunked(ROUTES[route], body=CREATED, trailers=CREDENTIALS[credential])

    _, received = await gateway.exchange(sent)

    assert is_status(received, 401)
    assert gateway.store.calls == []


async def test_a_trailer_changes_nothing_of_a_request_that_is_complete(
    gateway: Gateway,
) -> None:
    """Neither a second credential nor another way to read the body or to name the request."""
    trailers = (
        b"X-Access-Token: other\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n"
        b"Accept: text/html\r\nX-Request-Id: from-the-trailer\r\nIdempotency-Key: k\r\n"
        b"Host: other\r\nExpect: 100-continue\r\n"
    )
    sent = chunked(ROUTES["create"], BEARER, body=CREATED, trailers=trailers)

    status, received = await gateway.exchange(sent)

    assert status == 201, received
    assert b"from-the-trailer" not in received
    (_, call), *_rest = gateway.store.calls
    assert call.idempotency_key == ""


async def test_a_trailer_does_not_reach_the_next_request_of_the_connection(
    gateway: Gateway,
) -> None:
    first = chunked(ROUTES["create"], BEARER, body=CREATED, trailers=BEARER)
    first = first.replace(CLOSE, b"")
    second = ROUTES["list"] + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"

    _, received = await gateway.exchange(first + second)

    assert received.count(b"HTTP/1.1 201") == 1
    assert received.count(b"HTTP/1.1 401") == 1


@pytest.mark.parametrize(
    "head",
    [
        b"X-A: b\r\n Authorization: Bearer " + ADMIN.encode() + b"\r\n",
        b"Authorization:\r\n Bearer " + ADMIN.encode() + b"\r\n",
        b"Authorization : Bearer " + ADMIN.encode() + b"\r\n",
        b"X_Access_Token: " + ADMIN.encode() + b"\r\n",
        b"X-Access_Token: " + ADMIN.encode() + b"\r\n",
        b"Proxy-Authorization: Bearer " + ADMIN.encode() + b"\r\n",
        b"Cookie: authorization=Bearer " + ADMIN.encode() + b"\r\n",
        b"Cookie: access_token=" + ADMIN.encode() + b"\r\n",
        BEARER + BEARER,
        BEARER + CREDENTIALS["X-Access-Token"],
        b"Authorization: Bearer " + ADMIN.encode() + b", Bearer " + ADMIN.encode() + b"\r\n",
        b"Connection: Authorization\r\n" + BEARER,
        b"Connection: close, X-Access-Token\r\n" + CREDENTIALS["X-Access-Token"],
    ],
    ids=[
        "in a folded line",
        "itself folded",
        "with a space before the colon",
        "underscores",
        "an underscore",
        "for a proxy",
        "the header in a cookie",
        "a cookie",
        "twice",
        "two kinds",
        "a list of two",
        "named by Connection",
        "named by Connection, in a list",
    ],
)
async def test_only_one_plain_header_is_a_credential(gateway: Gateway, head: bytes) -> None:
    sent = ROUTES["list"] + b" HTTP/1.1\r\n" + HOST + head + b"Connection: close\r\n\r\n"

    status, _ = await gateway.exchange(sent)

    assert status in {400, 401}
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    "query", ["access_token", "authorization", "token", "x-access-token", "bearer_token"]
)
async def test_a_credential_in_the_query_is_none(gateway: Gateway, query: str) -> None:
    target = f"{VALUES}?{query}={ADMIN}".encode()

    _, received = await gateway.exchange(
        b"GET " + target + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
    )

    assert is_status(received, 401)
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    "target",
    [
        f"https://user:{ADMIN}@localhost{VALUES}",
        f"https://{ADMIN}@localhost{VALUES}",
    ],
)
async def test_a_credential_in_the_target_is_none(gateway: Gateway, target: str) -> None:
    _, received = await gateway.exchange(
        f"GET {target} HTTP/1.1\r\n".encode() + HOST + CLOSE + b"\r\n"
    )

    assert is_status(received, 400)
    assert gateway.store.calls == []


async def test_a_target_in_absolute_form_is_the_same_request(gateway: Gateway) -> None:
    """RFC 9112 §3.2.2: a server accepts it."""
    status, _ = await gateway.exchange(
        f"GET https://localhost{VALUES} HTTP/1.1\r\n".encode() + HOST + BEARER + CLOSE + b"\r\n"
    )

    assert status == 200


@pytest.mark.parametrize(
    "header",
    ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"],
)
async def test_no_header_changes_the_method(gateway: Gateway, header: str) -> None:
    sent = ROUTES["read"] + b" HTTP/1.1\r\n" + HOST + BEARER + CLOSE
    await gateway.exchange(sent + header.encode() + b": DELETE\r\n\r\n")

    assert [name for name, _ in gateway.store.calls] == ["metadata.Get"]


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(CREATED),
        b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(CREATED),
        b"Content-Length: 0, %d\r\n" % len(CREATED),
        b"Content-Length: %d\r\n" % len(CREATED) + CHUNKED,
        CHUNKED + b"Content-Length: %d\r\n" % len(CREATED),
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer_Encoding: chunked\r\nContent-Length: +%d\r\n" % len(CREATED),
        b"Content-Length: 0x10\r\n",
    ],
    ids=repr,
)
async def test_a_body_has_one_length(gateway: Gateway, framing: bytes) -> None:
    sent = ROUTES["create"] + b" HTTP/1.1\r\n" + HOST + BEARER + framing + b"\r\n" + CREATED

    _, received = await gateway.exchange(sent)

    assert is_status(received, 400)
    assert gateway.store.calls == []
