"""What the environment says of proxies and key logs changes no connection of ours."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.clock import SystemClock
from chassis.errors import UnavailableError
from chassis.grpc_client import call
from chassis.http_server import HttpServer
from chassis.issuers import Issuer
from chassis.key_sources import key_source
from chassis.tls_files import CurrentTls, Tls
from tests.fakes.proxies import RecordingProxy, recording_proxy
from tests.integration.chassis.certificates import Authority
from tests.integration.chassis.echo import EchoStub, repeat
from tests.integration.chassis.harness import Harness
from tests.unit.chassis.tokens import generate, jwk, key_set

HELLO = StringValue(value="hello")
KEYS = key_set(jwk(generate("ES256"), "k1"))


@pytest.fixture
async def proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[RecordingProxy]:
    """A proxy that the environment names for everything, and a file for the keys of TLS."""
    async with recording_proxy() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
        yield proxy


async def test_a_call_to_a_peer_goes_to_the_peer(
    harness: Harness, proxy: RecordingProxy, tmp_path: Path
) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))

    assert (await call(stub.Once, HELLO, deadline_seconds=5)).value == "hello"
    assert proxy.heads == []
    assert not (tmp_path / "keys.log").exists()


async def serve_keys(folder: Path) -> tuple[HttpServer, Issuer]:
    async def answer(_request: Request) -> Response:
        return Response(KEYS, media_type="application/json")

    authority = Authority(folder)
    pair = authority.issue("localhost")
    app = Starlette(routes=[Route("/keys", answer)])
    server = HttpServer(
        app, "127.0.0.1", 0, tls=CurrentTls(Tls(pair.certificate, pair.private_key))
    )
    return server, Issuer(
        issuer="https://issuer.example.com",
        audiences=frozenset({"a"}),
        algorithm="ES256",
        jwks_url=f"https://localhost:{await server.start()}/keys",
        jwks_ca=authority.certificate,
    )


@pytest.mark.parametrize("asked_for", [False, True], ids=["not asked for", "asked for"])
async def test_keys_are_fetched_through_the_proxy_of_the_issuers_file_alone(
    proxy: RecordingProxy, tmp_path: Path, *, asked_for: bool
) -> None:
    server, issuer = await serve_keys(tmp_path)
    if asked_for:
        issuer = replace(issuer, jwks_proxy=f"http://127.0.0.1:{proxy.port}")

    keys = await key_source(issuer, SystemClock()).keys()

    await server.stop(1)
    assert set(keys.keys) == {"k1"}
    host = issuer.jwks_url.split("/")[2] if issuer.jwks_url else ""
    assert [head.split("\r\n")[0] for head in proxy.heads] == (
        [f"CONNECT {host} HTTP/1.1"] if asked_for else []
    )
    assert not (tmp_path / "keys.log").exists()


async def test_keys_cannot_be_had_if_the_proxy_that_is_asked_for_is_away(
    tmp_path: Path,
) -> None:
    server, issuer = await serve_keys(tmp_path)

    with pytest.raises(UnavailableError):
        await key_source(replace(issuer, jwks_proxy="http://127.0.0.1:1"), SystemClock()).keys()

    await server.stop(1)
