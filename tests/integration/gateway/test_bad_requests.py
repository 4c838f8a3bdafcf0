"""Hostile or broken requests, over real sockets: a right status, and a server that goes on."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from gateway.edge.connection import MOST_WAITING
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from splitkeep.local.ports import LOOPBACK
from tests.fakes.gateway.services import ADMIN
from tests.integration.gateway.conftest import (
    BASE,
    BOUNDS,
    CONNECTIONS,
    KEEPERS,
    VALUES,
    Gateway,
)
from tests.integration.gateway.raw_http import BEARER, HOST, is_status, posting

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def the_next_good_request_works(gateway: Gateway) -> AsyncIterator[None]:
    yield
    async with gateway.http() as http:
        answer = await http.get(VALUES)
    assert answer.status_code == 200


PATHS = {
    "an encoded dot segment": "/%2e%2e/x",
    "a dot segment": "/../default",
    "an encoded slash": "/a%2fb",
    "a backslash": "/a%5cb",
    "an encoded NUL": "/a%00b",
    "a cut escape": "/a%2",
    "an escape of no UTF-8": "/a%ff",
    "two slashes": "//a",
    "a newline": "/a%0ab",
}


@pytest.mark.parametrize("case", PATHS)
async def test_a_path_with_two_readings_is_refused(gateway: Gateway, case: str) -> None:
    sent = f"GET {VALUES}{PATHS[case]} HTTP/1.1\r\nConnection: close\r\n".encode()

    _, received = await gateway.exchange(sent + HOST + BEARER + b"\r\n")

    assert is_status(received, 400)
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("%61bc", "abc"),
        ("*", "*"),
        ("a:b", "a:b"),
        ("a%2a", "a*"),
    ],
)
async def test_a_name_is_decoded_once_and_then_only_a_name(
    gateway: Gateway, sent: str, meant: str
) -> None:
    status, _ = await gateway.exchange(
        f"GET {VALUES}/{sent} HTTP/1.1\r\nConnection: close\r\n".encode()
        + HOST
        + BEARER
        + b"\r\n"
    )

    assert status == 404
    assert [call.name for _, call in gateway.store.calls] == [meant]


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET " + VALUES.encode() + b"/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Bad Header: x\r\n\r\n",
    ],
    ids=[
        "no HTTP",
        "TLS inside TLS",
        "bytes above ASCII",
        "asterisk form",
        "a space in a name",
    ],
)
async def test_what_is_no_request_is_answered_with_a_status(
    gateway: Gateway, sent: bytes
) -> None:
    _, received = await gateway.exchange(sent)

    assert is_status(received, 400)


@pytest.mark.parametrize(
    "target",
    [
        f"{VALUES}/kept#?dryRun=All",
        f"{VALUES}/kept?dryRun=All#",
        f"{VALUES}/kept?#dryRun=All",
        f"{VALUES}/kept#",
        f"https://localhost{VALUES}/kept#x",
    ],
)
async def test_a_target_with_a_fragment_is_refused(gateway: Gateway, target: str) -> None:
    """Cut off there, it might be another request than the client means, and another's log."""
    draft = SecureValueDraft(namespace="default", name="kept", description="d")
    gateway.store.put(draft, version=1)

    _, received = await gateway.exchange(
        f"DELETE {target} HTTP/1.1\r\n".encode() + HOST + BEARER + b"\r\n"
    )

    assert is_status(received, 400)
    assert b"fragment" in received
    assert (gateway.store.calls, len(gateway.store.objects)) == ([], 1)


@pytest.mark.parametrize(
    "hosts",
    [
        b"",
        HOST + HOST,
        HOST + b"hOST: other\r\n",
        b"Host: a b\r\n",
        b"Host: user@localhost\r\n",
        b"Host: localhost/apis\r\n",
        b"Host: localhost, other\r\n",
        b"Host: \xc3\xa9\r\n",
    ],
    ids=repr,
)
async def test_a_request_names_one_host(gateway: Gateway, hosts: bytes) -> None:
    """RFC 9112 §3.2."""
    sent = f"GET {VALUES} HTTP/1.1\r\n".encode() + hosts + BEARER + b"\r\n"

    _, received = await gateway.exchange(sent)

    assert is_status(received, 400)
    assert b"Host" in received
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.0\r\n",
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\nHost:\r\n",
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\nhost: [::1]:8080\r\n",
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: a_b.example:443\r\n",
    ],
    ids=repr,
)
async def test_whatever_can_be_a_host_is_one(gateway: Gateway, head: bytes) -> None:
    """HTTP/1.0 has none; an empty one is one (RFC 9112 §3.2)."""
    status, _ = await gateway.exchange(head + b"\r\n")

    assert status == 200


async def test_a_head_that_never_ends_is_cut_off(gateway: Gateway) -> None:
    header = b"X-Filler: " + b"a" * 100 + b"\r\n"

    _, received = await gateway.exchange(b"GET / HTTP/1.1\r\n" + header * 700)

    assert is_status(received, 431)


async def test_one_header_that_never_ends_is_cut_off(gateway: Gateway) -> None:
    _, received = await gateway.exchange(b"GET / HTTP/1.1\r\nX-Filler: " + b"a" * 70_000)

    assert is_status(received, 431)


async def test_a_whole_head_beyond_the_bound_is_refused(gateway: Gateway) -> None:
    sent = b"GET /healthz HTTP/1.1\r\nX-Filler: " + b"a" * 66_000 + b"\r\n\r\n"

    _, received = await gateway.exchange(sent)

    assert is_status(received, 431)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"\r\n"], ids=["nothing", "half", "a line"])
async def test_a_connection_without_a_request_is_closed(gateway: Gateway, sent: bytes) -> None:
    started = asyncio.get_running_loop().time()

    status, _ = await gateway.exchange(sent)

    assert status == 0
    assert asyncio.get_running_loop().time() - started < BOUNDS.head_seconds + 3


async def test_a_long_body_is_read_too(gateway: Gateway) -> None:
    annotations = {"filler": "f" * 200_000}
    metadata = {"name": "long", "annotations": annotations}
    body = {"metadata": metadata, "spec": {"description": "d", "value": "v"}}

    async with gateway.http() as http:
        answer = await http.post(VALUES, json=body)

    assert answer.status_code == 201


async def test_trailers_without_end_are_cut_off(gateway: Gateway) -> None:
    head = posting(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    trailers = b"X-Trailer: " + b"a" * 100 + b"\r\n"

    endless = head + b"1\r\n{\r\n0\r\n" + trailers * 8000
    started = asyncio.get_running_loop().time()

    with contextlib.suppress(ConnectionError):
        status, _ = await gateway.exchange(endless)
        assert status == 431

    assert asyncio.get_running_loop().time() - started < 5


async def test_few_requests_wait_on_a_connection_for_the_answers_before_theirs(
    gateway: Gateway,
) -> None:
    few, many = MOST_WAITING, 1_000
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    last = request.replace(HOST, HOST + b"Connection: close\r\n")

    _, answered = await gateway.exchange(request * few + last)
    _, cut_off = await gateway.exchange(request * many)

    assert answered.count(b"HTTP/1.1 200 ") == few + 1
    assert cut_off.count(b"HTTP/1.1 ") <= 2
    assert b'reason="bad_head"' in gateway.metrics.exposition()


async def test_connections_beyond_the_limit_are_reset(gateway: Gateway) -> None:
    async with AsyncExitStack() as held:
        for _ in range(CONNECTIONS):
            reader, writer = await held.enter_async_context(gateway.connection())
            writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            await reader.readuntil(b"ok")

        beyond = socket.create_connection((LOOPBACK, gateway.port), timeout=10)
        with beyond, pytest.raises(ConnectionResetError):
            await asyncio.to_thread(beyond.recv, 1)

    assert b'reason="connections"} 1.0' in gateway.metrics.exposition()


CREDENTIALS: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "basic": [("Authorization", "Basic YTpi")],
    "another scheme": [("Authorization", "Token abc")],
    "a scheme alone": [("Authorization", "Bearer")],
    "two": [("Authorization", f"Bearer {ADMIN}"), ("X-Access-Token", ADMIN)],
    "one twice": [("Authorization", f"Bearer {ADMIN}")] * 2,
    "bytes above ASCII": [("X-Access-Token", "t\xe9")],
    "too long": [("X-Access-Token", "t" * 20_000)],
}


@pytest.mark.parametrize("case", CREDENTIALS)
async def test_without_one_credential_the_body_is_not_read(gateway: Gateway, case: str) -> None:
    sent = [f"{name}: {value}\r\n" for name, value in CREDENTIALS[case]]
    head = f"POST {VALUES} HTTP/1.1\r\nContent-Length: 5000\r\n{''.join(sent)}\r\n"

    _, received = await gateway.exchange(
        HOST.join(head.encode("latin-1").split(b"\r\n", 1)).replace(
            b"HTTP/1.1" + HOST, b"HTTP/1.1\r\n" + HOST
        )
    )

    assert is_status(received, 401)
    assert b"www-authenticate: Bearer" in received
    assert gateway.store.calls == []


@pytest.mark.parametrize("header", ["Authorization", "X-Access-Token"])
async def test_the_credential_travels_unchanged_and_alone(
    gateway: Gateway, header: str
) -> None:
    value = f"Bearer {ADMIN}" if header == "Authorization" else ADMIN
    async with gateway.http(token=None) as http:
        await http.get(VALUES, headers={header: value, "X-Request-Id": "trace-1"})

    sent: dict[str, Any] = dict(gateway.store.metadata[0])
    assert sent["x-access-token"] == ADMIN
    assert sent["x-request-id"] == "trace-1"
    assert "authorization" not in sent


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", VALUES, "GET, POST, DELETE"),
        ("POST", f"{VALUES}/a", "GET, PUT, PATCH, DELETE"),
        ("HEAD", f"{VALUES}/a", "GET, PUT, PATCH, DELETE"),
        ("GET", f"{KEEPERS}/a/activate", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_verb_that_a_path_does_not_have_is_told_those_it_has(
    gateway: Gateway, method: str, path: str, allowed: str
) -> None:
    async with gateway.http() as http:
        answer = await http.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path",
    ["/", f"{BASE}/namespaces/default/secrets", f"{VALUES}/a/decrypt",
     "/apis/secret.grafana.app/v2/namespaces/default/securevalues"],
)  # fmt: skip
async def test_an_unknown_path_is_not_found(gateway: Gateway, path: str) -> None:
    async with gateway.http() as http:
        answer = await http.get(path)

    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")


async def test_all_namespaces_at_once_are_forbidden(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.get(f"{BASE}/securevalues")

    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    "query",
    [
        *("%ff=1", "&".join(["a=1"] * 101)),
        *("propagationPolicy=Orphan&propagationPolicy=Orphan", "fieldManager=a&fieldManager=a"),
    ],
)
async def test_a_write_whose_query_is_not_understood_is_refused(
    gateway: Gateway, query: str
) -> None:
    async with gateway.http() as http:
        answer = await http.request(
            "PUT" if query.startswith("field") else "DELETE", f"{VALUES}/a?{query}"
        )

    assert answer.status_code == 400
    assert gateway.store.calls == []


DRY_RUNS = ("dryRun=all", "dryRun=", "dryRun=All&dryRun=None")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", VALUES),
        ("PUT", f"{VALUES}/a"),
        ("PATCH", f"{VALUES}/a"),
        ("DELETE", f"{VALUES}/a"),
        ("DELETE", VALUES),
        ("POST", f"{KEEPERS}/a/activate"),
    ],
)
@pytest.mark.parametrize("query", DRY_RUNS)
async def test_a_trial_is_asked_for_in_one_word(
    gateway: Gateway, method: str, path: str, query: str
) -> None:
    async with gateway.http() as http:
        answer = await http.request(method, f"{path}?{query}")

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert answer.json()["details"]["causes"] == [
        {
            "field": "dryRun",
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: must be "All"',
        }
    ]
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/json;q=0"],
)
async def test_an_answer_that_cannot_be_given_is_not_acceptable(
    gateway: Gateway, accept: str
) -> None:
    async with gateway.http() as http:
        answer = await http.get(VALUES, headers={"Accept": accept})

    assert (answer.status_code, answer.json()["reason"]) == (406, "NotAcceptable")
