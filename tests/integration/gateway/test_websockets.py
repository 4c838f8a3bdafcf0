"""Watches over WebSocket, and what else a client may try to open."""

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import websocket

from chassis.errors import ExpiredError
from gateway.edge.websocket import BEARER_PROTOCOL
from splitkeep.local.ports import LOOPBACK
from tests.fakes.gateway.services import ADMIN, CREATOR
from tests.integration.gateway.conftest import BASE, VALUES, Gateway
from tests.integration.gateway.raw_http import BEARER, HOST, is_status
from tests.integration.gateway.test_lists import fill
from tests.integration.gateway.test_watches import delete, put, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTHORIZED = [f"Authorization: Bearer {ADMIN}"]
WATCH = f"{VALUES}?watch=true"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


class Socket:
    """A WebSocket as a client has it; each wait is bounded."""

    def __init__(self, client: websocket.WebSocket) -> None:
        self.client = client

    async def frame(self) -> tuple[int, bytes]:
        opcode, data = await asyncio.to_thread(self.client.recv_data, control_frame=True)
        return opcode, data

    async def event(self) -> dict[str, Any]:
        opcode, data = await self.frame()
        assert opcode == websocket.ABNF.OPCODE_TEXT, (opcode, data)
        event: dict[str, Any] = json.loads(data)
        return event

    async def closed_with(self) -> int:
        opcode, data = await self.frame()
        assert opcode == websocket.ABNF.OPCODE_CLOSE, data
        return int.from_bytes(data[:2], "big")


@asynccontextmanager
async def opened(
    gateway: Gateway, target: str = WATCH, **options: Any
) -> AsyncIterator[Socket]:
    options.setdefault("header", AUTHORIZED)
    options.setdefault("suppress_origin", True)
    secured = await asyncio.to_thread(_secured, gateway)
    with secured:
        url = f"wss://localhost:{gateway.port}{target}"
        client = await asyncio.to_thread(
            partial(websocket.create_connection, url, timeout=10, socket=secured, **options)
        )
        yield Socket(client)


def _secured(gateway: Gateway) -> ssl.SSLSocket:
    plain = socket.create_connection((LOOPBACK, gateway.port), timeout=10)
    return gateway.tls.wrap_socket(plain, server_hostname="localhost")


async def refusal(gateway: Gateway, target: str = WATCH, **options: Any) -> int:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        async with opened(gateway, target, **options):
            pass
    return int(refused.value.status_code)


def handshake(*fields: bytes, line: bytes = b"GET " + WATCH.encode() + b" HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + BEARER + b"".join(fields) + b"\r\n"


async def test_a_watch_comes_as_one_text_frame_for_each_event(gateway: Gateway) -> None:
    put(gateway.store, "a")
    async with opened(gateway) as client:
        first = await client.event()
        put(gateway.store, "b")
        second = await client.event()
        delete(gateway.store, "a")
        third = await client.event()

    seen = [
        (each["type"], each["object"]["metadata"]["name"]) for each in (first, second, third)
    ]
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert first["object"]["kind"] == "SecureValue"


async def test_the_events_are_those_of_the_same_watch_over_http(gateway: Gateway) -> None:
    put(gateway.store, "a", labels={"team": "x"})
    put(gateway.store, "b")
    target = f"{WATCH}&labelSelector=team%3Dx&timeoutSeconds=1"
    async with gateway.http() as http:
        lines = (await http.get(target)).text.splitlines()

    async with opened(gateway, target) as client:
        events = [await client.event() for _ in lines]
        code = await client.closed_with()

    assert events == [json.loads(line) for line in lines]
    assert (len(events), code) == (1, 1000)


async def test_a_watch_is_served_below_the_prefix_too(gateway: Gateway) -> None:
    put(gateway.store, "a")
    async with opened(gateway, f"/k8s{WATCH}") as client:
        assert (await client.event())["type"] == "ADDED"


async def test_a_watch_that_is_refused_is_refused_by_an_ordinary_status(
    gateway: Gateway,
) -> None:
    assert await refusal(gateway, header=[]) == 401
    assert await refusal(gateway, header=AUTHORIZED * 2) == 401
    assert await refusal(gateway, header=[f"Authorization: Bearer {CREATOR}"]) == 403
    assert await refusal(gateway, f"{WATCH}&labelSelector=%3D%3D") == 400
    assert await refusal(gateway, f"{WATCH}&resourceVersion=x") in {400, 422}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (VALUES, 400),
        (f"{VALUES}/a", 400),
        (f"{VALUES}/a?watch=true", 400),
        ("/healthz", 400),
        ("/healthz?watch=true", 400),
        ("/openapi/v3?watch=true", 400),
        (f"{BASE}/watch/namespaces/default/securevalues", 404),
        (f"{BASE}/watch/namespaces/default/securevalues/a?watch=true", 404),
        (f"{VALUES}/a/exec?command=sh", 404),
        ("/api/v1/namespaces/default/pods/a/attach", 404),
        ("/api/v1/namespaces/default/pods/a/log?follow=true", 404),
        (f"{BASE}/securevalues?watch=true", 403),
    ],
)
async def test_what_is_no_watch_is_not_served_over_a_websocket(
    gateway: Gateway, target: str, status: int
) -> None:
    put(gateway.store, "a")

    assert await refusal(gateway, target) == status


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("https://localhost:{port}", True),
        ("HTTPS://LOCALHOST:{port}", True),
        ("https://localhost", False),
        ("http://localhost:{port}", False),
        ("https://evil.example", False),
        ("https://localhost:{port}.evil.example", False),
        ("https://evil.example/https://localhost:{port}", False),
        ("null", False),
    ],
)
async def test_only_a_page_of_the_same_origin_opens_a_websocket(
    gateway: Gateway, *, origin: str, admitted: bool
) -> None:
    options: dict[str, Any] = {
        "suppress_origin": False,
        "origin": origin.format(port=gateway.port),
    }
    if admitted:
        put(gateway.store, "a")
        async with opened(gateway, **options) as client:
            assert (await client.event())["type"] == "ADDED"
    else:
        assert await refusal(gateway, **options) == 403
    assert bool(gateway.store.calls) == admitted


async def test_a_browser_sends_its_token_as_a_subprotocol(gateway: Gateway) -> None:
    put(gateway.store, "a")
    token = BEARER_PROTOCOL + base64.urlsafe_b64encode(ADMIN.encode()).rstrip(b"=").decode()
    offered = [token, "base64.binary.k8s.io"]

    async with opened(gateway, header=[], subprotocols=offered) as client:
        chosen = client.client.getsubprotocol()
        event = await client.event()

    assert (chosen, event["type"]) == ("base64.binary.k8s.io", "ADDED")


@pytest.mark.parametrize(
    ("header", "offered", "status"),
    [
        (AUTHORIZED, ["token", "p"], 401),
        ([], ["token"], 400),
        ([], ["token", "token-2", "p"], 401),
        ([], [BEARER_PROTOCOL + "!", "p"], 400),
        ([], [BEARER_PROTOCOL, "p"], 401),
        (AUTHORIZED, ["p", "q"], 400),
    ],
)
async def test_a_subprotocol_is_one_credential_at_most(
    gateway: Gateway, header: list[str], offered: list[str], status: int
) -> None:
    encoded = base64.urlsafe_b64encode(ADMIN.encode()).rstrip(b"=").decode()
    second = base64.urlsafe_b64encode(b"other").rstrip(b"=").decode()
    known = {"token": BEARER_PROTOCOL + encoded, "token-2": BEARER_PROTOCOL + second}
    protocols = [known.get(name, name) for name in offered]

    assert await refusal(gateway, header=header, subprotocols=protocols) == status
    assert gateway.store.calls == []


async def test_what_a_client_says_on_its_socket_changes_nothing(gateway: Gateway) -> None:
    put(gateway.store, "a")
    async with opened(gateway) as client:
        await client.event()
        for _ in range(20):
            client.client.send("anything")
            client.client.send_binary(b"\x00")
        client.client.ping("are you there")
        assert await client.frame() == (websocket.ABNF.OPCODE_PONG, b"are you there")
        put(gateway.store, "b")
        assert (await client.event())["object"]["metadata"]["name"] == "b"


async def test_a_message_that_is_too_long_ends_the_socket(gateway: Gateway) -> None:
    put(gateway.store, "a")
    async with opened(gateway) as client:
        await client.event()
        client.client.send("x" * 5_000)
        assert await client.closed_with() == 1009


async def test_a_client_that_closes_its_socket_ends_the_watch_behind_it(
    gateway: Gateway,
) -> None:
    put(gateway.store, "a")
    async with opened(gateway) as client:
        await client.event()
        assert gateway.store.watching == 1

    await until(lambda: gateway.store.watching == 0)


async def test_a_client_that_stops_reading_its_socket_is_cut_off(gateway: Gateway) -> None:
    fill(gateway.store, 2_000, annotations={"filler": "f" * 20_000})
    async with gateway.connection() as (reader, writer):
        line = b"GET " + WATCH.encode() + b"&resourceVersion=0 HTTP/1.1"
        writer.write(handshake(UPGRADE, KEY, VERSION, line=line))
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        await until(lambda: gateway.store.sent > 0)
        await until(lambda: gateway.store.watching == 0)
    assert gateway.store.sent < 200


async def flood(writer: asyncio.StreamWriter, frame: bytes) -> None:
    async with asyncio.timeout(10):
        while True:
            writer.write(frame * 1_000)
            await writer.drain()


async def test_a_client_that_only_pings_and_never_reads_is_cut_off(gateway: Gateway) -> None:
    ping = b"\x89\xfd" + bytes(4) + b"p" * 125
    async with gateway.connection() as (reader, writer):
        writer.write(handshake(UPGRADE, KEY, VERSION))
        await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(ConnectionError):
            await flood(writer, ping)
    await until(lambda: gateway.store.watching == 0)


async def test_a_socket_is_closed_in_order_when_the_process_drains(gateway: Gateway) -> None:
    put(gateway.store, "a")
    try:
        async with opened(gateway) as client:
            await client.event()
            gateway.draining.set()
            assert await client.closed_with() == 1000
    finally:
        gateway.draining.clear()


async def test_a_history_that_is_gone_is_the_last_event_of_a_socket(gateway: Gateway) -> None:
    put(gateway.store, "a")
    async with opened(gateway) as client:
        await client.event()
        gateway.store.end_watches(ExpiredError())
        last, code = await client.event(), await client.closed_with()

    assert (last["type"], last["object"]["code"], code) == ("ERROR", 410, 1000)


async def test_a_socket_outlives_the_time_that_a_head_may_take(gateway: Gateway) -> None:
    """The bound of the handshake is not the bound of the watch."""
    async with opened(gateway) as client:
        await asyncio.sleep(1.0)
        put(gateway.store, "a")
        assert (await client.event())["type"] == "ADDED"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((UPGRADE, VERSION), 400),
        ((UPGRADE, VERSION, b"Sec-WebSocket-Key: short\r\n"), 400),
        ((UPGRADE, KEY, VERSION, KEY), 400),
        ((UPGRADE, KEY), 426),
        ((UPGRADE, KEY, b"Sec-WebSocket-Version: 8\r\n"), 426),
        ((b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", KEY, VERSION), 400),
        ((b"Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", KEY, VERSION), 400),
        ((b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n",), 426),
        ((b"Connection: keep-alive\r\n", KEY, VERSION), 503),
        ((b"Upgrade: websocket\r\n", KEY, VERSION), 503),
        ((b"Connection: Upgrade\r\n", KEY, VERSION), 503),
        ((KEY, VERSION), 503),
    ],
    ids=repr,
)
async def test_half_a_handshake_is_never_answered_with_a_watch(
    gateway: Gateway, fields: tuple[bytes, ...], status: int
) -> None:
    """503 where a proxy may have taken the rest: clients go on over plain HTTP then."""
    _, received = await gateway.exchange(handshake(*fields))

    assert is_status(received, status)
    assert gateway.store.calls == []


@pytest.mark.parametrize(
    "line",
    [
        b"POST " + WATCH.encode() + b" HTTP/1.1",
        b"GET " + WATCH.encode() + b" HTTP/1.0",
        b"OPTIONS " + WATCH.encode() + b" HTTP/1.1",
    ],
    ids=repr,
)
async def test_a_websocket_is_opened_by_a_get_of_http_1_1(
    gateway: Gateway, line: bytes
) -> None:
    _, received = await gateway.exchange(handshake(UPGRADE, KEY, VERSION, line=line))

    assert is_status(received, 400)
    assert gateway.store.calls == []


async def test_a_handshake_behind_a_request_that_is_still_answered_is_refused(
    gateway: Gateway,
) -> None:
    watch = (
        b"GET " + WATCH.encode() + b"&timeoutSeconds=5 HTTP/1.1\r\n" + HOST + BEARER + b"\r\n"
    )

    _, received = await gateway.exchange(watch + handshake(UPGRADE, KEY, VERSION))
    await asyncio.sleep(0.2)  # a call that is still on its way would be found by the next test

    assert b" 101 " not in received
    assert received.count(b"HTTP/1.1 ") == 1


async def test_a_watch_over_http_1_0_is_refused(gateway: Gateway) -> None:
    """It could be neither chunked nor ended in a way that the client can tell from a fault."""
    _, received = await gateway.exchange(
        handshake(line=b"GET " + WATCH.encode() + b" HTTP/1.0")
    )

    assert is_status(received, 400)
    assert gateway.store.calls == []


@pytest.mark.parametrize("protocol", [b"h2c", b"SPDY/3.1", b"TLS/1.0", b"tcp"])
async def test_an_upgrade_to_anything_else_is_not_made(
    gateway: Gateway, protocol: bytes
) -> None:
    """RFC 9110 §7.8: an offer that is not mentioned in the answer is declined."""
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: " + protocol + b"\r\n"
    line = b"GET " + WATCH.encode() + b"&timeoutSeconds=1 HTTP/1.1"

    status, received = await gateway.exchange(handshake(upgrade, line=line))

    assert status == 200
    assert b"pgrade:" not in received
