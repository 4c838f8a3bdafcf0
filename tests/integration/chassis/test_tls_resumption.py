"""A client that comes back may resume its TLS session, and gains no right by it.

grpcio's own client resumes when it is given a session cache; Go's when it is given one too.
"""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc.experimental.session_cache import ssl_session_cache_lru

from chassis.grpc_server import peer_sans
from chassis.tls_files import Tls
from tests.integration.chassis.certificates import Authority, Pair
from tests.integration.chassis.echo import EchoStub
from tests.integration.chassis.harness import Harness

_cache: Any = ssl_session_cache_lru  # it has no annotations
HELLO = StringValue(value="hello")


class ReturningClient:
    """A new connection for every call, with the sessions of those before."""

    def __init__(self, harness: Harness, port: int, pair: Pair | None = None) -> None:
        self._target = f"localhost:{port}"
        self._credentials = grpc.ssl_channel_credentials(
            harness.authority.certificate.read_bytes(),
            pair.private_key.read_bytes() if pair else None,
            pair.certificate.read_bytes() if pair else None,
        )
        self._options: Any = [
            ("grpc.ssl_session_cache", _cache(4)),
            ("grpc.use_local_subchannel_pool", 1),
        ]

    async def ask(self) -> str:
        """What the server says of the connection; no call is repeated on another."""
        async with grpc.aio.secure_channel(
            self._target, self._credentials, options=self._options
        ) as channel:
            answer = await EchoStub(channel).Once(HELLO, timeout=10)
        return str(answer.value)


async def _session_and_names(_text: str, context: Any) -> str:
    await asyncio.sleep(0)
    (reused,) = context.auth_context()["ssl_session_reused"]
    return ",".join([f"resumed={reused.decode()}", *sorted(peer_sans(context))])


async def _port_for_peers(harness: Harness) -> tuple[int, Pair]:
    peers = Authority(harness.folder, "peers")
    harness.tls = Tls(harness.tls.certificate_chain, harness.tls.private_key, peers.certificate)
    port = await harness.serve(_session_and_names, peers=frozenset({"peer-a"}))
    return port, peers.issue("peer-a", file="peer")


async def test_a_client_that_comes_back_resumes_its_session(harness: Harness) -> None:
    client = ReturningClient(harness, await harness.serve(_session_and_names))

    assert [await client.ask() for _ in range(3)] == [
        "resumed=false",
        "resumed=true",
        "resumed=true",
    ]


async def test_a_resumed_session_still_names_the_peer(harness: Harness) -> None:
    client = ReturningClient(harness, *await _port_for_peers(harness))

    assert [await client.ask() for _ in range(2)] == [
        "resumed=false,peer-a",
        "resumed=true,peer-a",
    ]


async def test_a_session_does_not_outlive_the_authority_that_vouched_for_it(
    harness: Harness,
) -> None:
    client = ReturningClient(harness, *await _port_for_peers(harness))
    await client.ask()

    Authority(harness.folder, "peers")  # in the place of the one before

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.ask()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_new_certificate_of_the_server_is_not_hidden_by_old_sessions(
    harness: Harness,
) -> None:
    client = ReturningClient(harness, await harness.serve(_session_and_names))
    await client.ask()

    harness.authority.issue("localhost", "127.0.0.1", file="server")

    assert await client.ask() == "resumed=false"
