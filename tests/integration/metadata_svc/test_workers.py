"""metadata_svc with two workers: both ports are shared."""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from chassis.grpc_client import call
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import (
    keepers_pb2,
    keepers_pb2_grpc,
    vault_peer_pb2,
    vault_peer_pb2_grpc,
)
from tests.integration.chassis.certificates import Pair
from tests.integration.chassis.supervised import Supervised, eventually
from tests.integration.metadata_svc.test_process import PREFIX, environment
from tests.integration.metadata_svc.wire import Credentials

CALL_SECONDS = 60


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path)


@pytest.fixture
def variables(
    metadata_dsn: Sensitive[str], credentials: Credentials, tmp_path: Path
) -> Mapping[str, str]:
    return environment(metadata_dsn, credentials, tmp_path) | {PREFIX + "WORKERS": "2"}


@pytest.fixture
async def metadata(variables: Mapping[str, str]) -> AsyncIterator[Supervised]:
    """Two workers that serve."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SPLITKEEP_")}
    metadata = await Supervised.start("-m", "metadata_svc", environ={**clean, **variables})
    await metadata.line("ready")
    yield metadata
    await metadata.stop()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def channel_credentials(ca: Path, pair: Pair | None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        ca.read_bytes(),
        pair.private_key.read_bytes() if pair else None,
        pair.certificate.read_bytes() if pair else None,
    )


async def a_channel(
    port: int, ca: Path, stack: AsyncExitStack, pair: Pair | None = None
) -> grpc.aio.Channel:
    """A connection of its own."""
    credentials = channel_credentials(ca, pair)
    alone = [("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.aio.secure_channel(f"localhost:{port}", credentials, options=alone)
    return await stack.enter_async_context(channel)


async def test_callers_of_both_ports_reach_every_worker(
    metadata: Supervised, credentials: Credentials, stack: AsyncExitStack
) -> None:
    ports = await metadata.line("ready")

    async def both_have_answered_both() -> bool | None:
        client = await a_channel(ports["clients"], credentials.clients.certificate, stack)
        peer = await a_channel(
            ports["peer"], credentials.peers.certificate, stack, credentials.vault
        )
        await call(
            keepers_pb2_grpc.KeepersStub(client).ListKeepers,
            keepers_pb2.ListKeepersRequest(namespace="default"),
            deadline_seconds=CALL_SECONDS,
            token=credentials.token(),
        )
        await call(
            vault_peer_pb2_grpc.VaultPeerStub(peer).Released,
            vault_peer_pb2.ReleasedRequest(page_size=1),
            deadline_seconds=CALL_SECONDS,
        )
        answered = [
            await metadata.series("grpc_server_calls_total", method=method, code="OK")
            for method in ("ListKeepers", "Released")
        ]
        return all(set(numbers) == {0, 1} for numbers in answered) or None

    await eventually(both_have_answered_both)
    assert await metadata.readiness() == (200, [])


async def test_it_drains_and_leaves_nobody_behind(metadata: Supervised) -> None:
    metadata.process.send_signal(signal.SIGTERM)

    assert await metadata.ended() == 0
    await metadata.until_nobody_is_left()
    assert len(metadata.pids()) == 2
