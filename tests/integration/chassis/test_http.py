"""The operators' port, HTTPS with files that change, and keys fetched over https."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from chassis.config import StartHinderedError
from chassis.errors import UnauthenticatedError, UnavailableError
from chassis.http_server import CLOSING_SECONDS, HttpServer
from chassis.issuers import Issuer
from chassis.jwt_verifier import JwtVerifier
from chassis.metrics import Metrics
from chassis.operations import OperationsServer
from chassis.readiness import Readiness
from chassis.sensitive import Sensitive
from chassis.tls_files import CurrentTls, Tls
from tests.integration.chassis.certificates import Authority
from tests.unit.chassis.tokens import (
    AUDIENCE,
    ISSUER,
    SettableClock,
    claims,
    generate,
    jwk,
    key_set,
    signed,
)

KEY = generate("ES256")
ANY = frozenset({"*"})


class KeyHost:
    """An https server whose one document may be changed, redirected or withheld."""

    def __init__(self) -> None:
        self.document = key_set(jwk(KEY, "k1"))
        self.status = 200
        self.requests = 0
        self.redirect: str | None = None

    async def answer(self, _request: Request) -> Response:
        self.requests += 1
        if self.redirect:
            return RedirectResponse(self.redirect)
        return Response(self.document, self.status, media_type="application/json")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def key_host() -> KeyHost:
    return KeyHost()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def verifier(
    tmp_path: Path, stack: AsyncExitStack, key_host: KeyHost, clock: SettableClock
) -> JwtVerifier:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    app = Starlette(routes=[Route("/keys", key_host.answer)])
    server = HttpServer(
        app, "127.0.0.1", 0, tls=CurrentTls(Tls(pair.certificate, pair.private_key))
    )
    port = await server.start()
    stack.push_async_callback(server.stop, 1)
    issuer = Issuer(
        issuer=ISSUER,
        audiences=frozenset({AUDIENCE}),
        algorithm="ES256",
        jwks_url=f"https://localhost:{port}/keys",
        jwks_ca=authority.certificate,
        namespaces=ANY,
    )
    return JwtVerifier([issuer], clock)


def token(key: Any = KEY, key_id: str = "k1", **changed: Any) -> Sensitive[str]:
    return Sensitive(signed(key, claims(**changed), header={"kid": key_id}))


def long_lived(clock: SettableClock) -> Sensitive[str]:
    stamp = int((clock.moment + timedelta(days=1)).timestamp())
    return token(exp=stamp, jti=str(clock.moment))


async def test_keys_are_fetched_once_for_many_tokens(
    verifier: JwtVerifier, key_host: KeyHost
) -> None:
    await asyncio.gather(*(verifier.verify(token(jti=str(n))) for n in range(20)))

    assert key_host.requests == 1


async def test_an_unknown_key_id_has_the_keys_fetched_at_most_every_half_minute(
    verifier: JwtVerifier, key_host: KeyHost, clock: SettableClock
) -> None:
    await verifier.verify(token())
    clock.advance(31)
    for number in range(5):
        with pytest.raises(UnauthenticatedError):
            await verifier.verify(token(key_id=f"unknown-{number}"))

    assert key_host.requests == 2


async def test_a_new_key_is_found_without_waiting(
    verifier: JwtVerifier, key_host: KeyHost, clock: SettableClock
) -> None:
    await verifier.verify(token())
    newer = generate("ES256")
    key_host.document = key_set(jwk(KEY, "k1"), jwk(newer, "k2"))
    clock.advance(31)

    assert (await verifier.verify(token(newer, "k2"))).namespace == "team-a"


async def test_keys_are_renewed_behind_the_callers_back(
    verifier: JwtVerifier, key_host: KeyHost, clock: SettableClock
) -> None:
    await verifier.verify(token())
    key_host.document = key_set(jwk(generate("ES256"), "k2"))
    clock.advance(301)
    await verifier.verify(long_lived(clock))  # still with the keys at hand
    source = verifier._trusted[ISSUER].source
    await source._fetching  # type: ignore[attr-defined]  # the renewal under way

    with pytest.raises(UnauthenticatedError):
        await verifier.verify(long_lived(clock))


async def test_a_remembered_token_waits_for_no_fetch_and_begins_the_one_that_is_due(
    verifier: JwtVerifier, key_host: KeyHost, clock: SettableClock
) -> None:
    clock.advance(200)
    lasting = long_lived(clock)
    known = await verifier.verify(lasting)
    key_host.document = key_set(jwk(generate("ES256"), "k2"))
    clock.advance(301)

    assert verifier.remembered(lasting) == known
    source = verifier._trusted[ISSUER].source
    await source._fetching  # type: ignore[attr-defined]  # the renewal under way
    assert verifier.remembered(lasting) is None


async def test_after_a_time_without_calls_a_key_that_is_gone_verifies_not_even_one(
    verifier: JwtVerifier, key_host: KeyHost, clock: SettableClock
) -> None:
    await verifier.verify(token())
    key_host.document = key_set(jwk(generate("ES256"), "k2"))
    clock.advance(1800)

    with pytest.raises(UnauthenticatedError):
        await verifier.verify(long_lived(clock))


async def test_an_outage_leaves_the_keys_in_use_for_an_hour(
    verifier: JwtVerifier, key_host: KeyHost, clock: SettableClock
) -> None:
    await verifier.verify(token())
    key_host.status = 503
    clock.advance(3599)
    await verifier.verify(long_lived(clock))
    clock.advance(2)

    with pytest.raises(UnavailableError):
        await verifier.verify(long_lived(clock))


BROKEN_ANSWERS: dict[str, dict[str, Any]] = {
    "not found": {"status": 404},
    "no key set": {"document": b"<html>"},
    "too long": {"document": b" " * 300_000},
    "a redirect": {"redirect": "https://localhost:1/keys"},
}


@pytest.mark.parametrize("case", BROKEN_ANSWERS)
async def test_without_usable_keys_the_issuer_is_unavailable_until_they_come(
    verifier: JwtVerifier, key_host: KeyHost, clock: SettableClock, case: str
) -> None:
    for name, value in BROKEN_ANSWERS[case].items():
        setattr(key_host, name, value)
    with pytest.raises(UnavailableError):
        await verifier.verify(token())

    key_host.status, key_host.document, key_host.redirect = 200, key_set(jwk(KEY, "k1")), None
    clock.advance(2)

    assert (await verifier.verify(token())).namespace == "team-a"


async def test_an_outage_is_not_asked_about_by_every_token(
    verifier: JwtVerifier, key_host: KeyHost
) -> None:
    key_host.status = 503
    for number in range(5):
        with pytest.raises(UnavailableError):
            await verifier.verify(token(jti=str(number)))

    assert key_host.requests == 1


async def healthy() -> None:
    return


async def failing() -> None:
    raise KeyError("marker-of-a-secret")


async def hanging() -> None:
    await asyncio.Event().wait()


async def operations(
    stack: AsyncExitStack, checks: dict[str, Any]
) -> tuple[Readiness, httpx2.AsyncClient]:
    readiness = Readiness(checks)
    server = OperationsServer("127.0.0.1", 0, metrics=Metrics(), readiness=readiness)
    port = await server.start()
    stack.push_async_callback(server.stop)
    client = await stack.enter_async_context(
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
    )
    return readiness, client


async def test_a_process_is_ready_while_every_check_passes(stack: AsyncExitStack) -> None:
    _, client = await operations(stack, {"database": healthy})

    answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, "failing": []})


async def test_the_failing_checks_are_named(stack: AsyncExitStack) -> None:
    checks = {"database": healthy, "peer": failing, "keys": hanging}
    _, client = await operations(stack, checks)

    answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()["failing"]) == (503, ["peer", "keys"])
    assert "marker" not in answer.text


async def test_a_draining_process_is_alive_and_not_ready(stack: AsyncExitStack) -> None:
    readiness, client = await operations(stack, {})
    readiness.drain()

    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 503


async def test_metrics_are_shown(stack: AsyncExitStack) -> None:
    _, client = await operations(stack, {})

    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "grpc_server_calls_in_flight 0.0" in answer.text


async def test_metrics_are_shown_as_openmetrics_to_who_asks(stack: AsyncExitStack) -> None:
    _, client = await operations(stack, {})

    answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_signals_stay_the_processes_own(stack: AsyncExitStack) -> None:
    import signal  # noqa: PLC0415  # only here

    before = signal.getsignal(signal.SIGTERM)
    await operations(stack, {})

    assert signal.getsignal(signal.SIGTERM) is before


async def test_a_taken_address_is_told(stack: AsyncExitStack) -> None:
    _, client = await operations(stack, {})
    second = OperationsServer(
        "127.0.0.1", client.base_url.port or 0, metrics=Metrics(), readiness=Readiness({})
    )

    with pytest.raises(StartHinderedError, match="another process has the port"):
        await second.start()


async def test_https_shows_a_replaced_certificate_to_the_next_client(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    port = await _https(stack, Tls(pair.certificate, pair.private_key))
    before = await shown_certificate(port)

    authority.issue("localhost")

    assert await shown_certificate(port) != before


async def test_https_does_not_show_half_a_replacement(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    other = authority.issue("localhost", file="other")
    port = await _https(stack, Tls(pair.certificate, pair.private_key))
    before = await shown_certificate(port)

    other.certificate.replace(pair.certificate)  # a test may block

    assert await shown_certificate(port) == before


async def test_a_client_that_does_not_end_tls_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("localhost")
    server, port = await _hello_server(Tls(pair.certificate, pair.private_key))
    with await asyncio.to_thread(_answered_and_silent, port):
        started = asyncio.get_running_loop().time()
        await server.stop(20)
        seconds = asyncio.get_running_loop().time() - started

    assert seconds < 10


async def test_a_stop_waits_for_an_answer_under_way(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("localhost")
    slow_is_asked = asyncio.Event()
    tls = Tls(pair.certificate, pair.private_key)
    server, port = await _hello_server(tls, slow_is_asked)
    async with httpx2.AsyncClient(verify=_trusting_all()) as client:
        asked = asyncio.create_task(client.get(f"https://127.0.0.1:{port}/slow"))
        await slow_is_asked.wait()
        await server.stop(20)

        assert (await asked).text == "slow"


async def _https(stack: AsyncExitStack, tls: Tls) -> int:
    server, port = await _hello_server(tls)
    stack.push_async_callback(server.stop, 1)
    return port


async def _hello_server(
    tls: Tls, slow_is_asked: asyncio.Event | None = None
) -> tuple[HttpServer, int]:
    async def hello(_request: Request) -> Response:
        return PlainTextResponse("hello")

    async def slow(_request: Request) -> Response:
        if slow_is_asked is not None:
            slow_is_asked.set()
        await asyncio.sleep(2 * CLOSING_SECONDS)
        return PlainTextResponse("slow")

    app = Starlette(routes=[Route("/", hello), Route("/slow", slow)])
    server = HttpServer(app, "127.0.0.1", 0, tls=CurrentTls(tls))
    return server, await server.start()


def _answered_and_silent(port: int) -> ssl.SSLSocket:
    """A connection kept for a next request, whose client reads nothing until then."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection = _trusting_all().wrap_socket(plain)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert connection.recv(65_536)
    return connection


def _trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def shown_certificate(port: int) -> bytes:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=_trusting_all())
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.transport.abort()
