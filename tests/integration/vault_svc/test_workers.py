"""The vault with two workers: one vault to its clients, whichever of them answers."""

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import grpc
import pytest

from chassis.clock import SystemClock
from chassis.errors import UnavailableError
from chassis.grpc_client import call
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from protos.splitkeep.vault.v1 import decrypter_pb2, secure_values_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE
from tests.integration.chassis.supervised import Supervised, eventually
from tests.integration.vault_svc.installation import Installation

Start = Callable[..., Awaitable[Supervised]]
CALL_SECONDS = 60


@pytest.fixture
def environment(
    installation: Installation, vault_dsn: Sensitive[str], peer_port: int
) -> dict[str, str]:
    return installation.environment(
        DSN=vault_dsn.reveal(),
        METADATA_TARGET=f"127.0.0.1:{peer_port}",
        RECOVERY_WINDOW_SECONDS="0",
        UNCLAIMED_AGE_SECONDS="0",
        SWEEP_INTERVAL_SECONDS="0.1",
        WORKERS="2",
    )


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts vaults; nothing of them outlives the test."""
    started: list[Supervised] = []

    async def one_more(environment: dict[str, str]) -> Supervised:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SPLITKEEP_")}
        started.append(await Supervised.start("-m", "vault_svc", environ=clean | environment))
        return started[-1]

    yield one_more
    for supervised in started:
        await supervised.stop()


@pytest.fixture
async def vault(start: Start, environment: dict[str, str]) -> Supervised:
    """Two workers that serve."""
    vault = await start(environment)
    await vault.line("ready")
    return vault


class Client:
    """Somebody who calls, each time over a connection of its own unless kept."""

    def __init__(self, port: int, installation: Installation, stack: AsyncExitStack) -> None:
        self._target, self._stack = f"localhost:{port}", stack
        self._installation = installation

    async def channel(self) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(self._installation.ca.read_bytes())
        # Channels of one process would share a connection otherwise.
        alone = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.secure_channel(self._target, credentials, options=alone)
        return await self._stack.enter_async_context(channel)

    async def create(self, name: str) -> None:
        draft = secure_value_pb2.SecureValueDraft(
            namespace=NAMESPACE, name=name, description="d", decrypters=[IDENTITY]
        )
        await call(
            SecureValuesStub(await self.channel()).CreateSecureValue,
            secure_values_pb2.CreateSecureValueRequest(draft=draft, value=b"hunter2"),
            deadline_seconds=CALL_SECONDS,
            token=self._installation.writer(),
        )

    async def decrypt(self, name: str, channel: grpc.aio.Channel | None = None) -> bytes:
        answer = await call(
            DecrypterStub(channel or await self.channel()).DecryptSecureValues,
            decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=[name]),
            deadline_seconds=CALL_SECONDS,
            token=self._installation.token(),
        )
        value: bytes = answer.results[0].value
        return value


@pytest.fixture
async def client(
    vault: Supervised, installation: Installation, stack: AsyncExitStack
) -> Client:
    return Client((await vault.line("ready"))["clients"], installation, stack)


async def test_what_one_worker_has_written_every_worker_decrypts(
    vault: Supervised, client: Client
) -> None:
    await client.create("a")

    async def both_have_answered() -> dict[int, float] | None:
        assert await client.decrypt("a") == b"hunter2"
        answered = await vault.series("grpc_server_calls_total", method="DecryptSecureValues")
        return answered if set(answered) == {0, 1} else None

    await eventually(both_have_answered)


async def test_a_worker_is_killed_under_load_and_every_other_connection_goes_on(
    vault: Supervised, client: Client
) -> None:
    await client.create("a")
    channels = [await client.channel() for _ in range(16)]
    ended: set[int] = set()
    replaced = asyncio.create_task(vault.until_replaced(1))

    async def decrypt_on(number: int) -> None:
        while not replaced.done():
            try:
                assert await client.decrypt("a", channels[number]) == b"hunter2"
            except UnavailableError:
                ended.add(number)
                return

    loads = [asyncio.create_task(decrypt_on(number)) for number in range(len(channels))]
    os.kill(vault.pid(1), signal.SIGKILL)
    await asyncio.gather(*loads)
    await replaced

    assert len(ended) < len(channels)
    # Those that were cut off connect again and are served, as everybody else is. A connection
    # that the dying worker had in its queue is reset, and takes one more attempt.
    async with asyncio.timeout(CALL_SECONDS):
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
    values = await asyncio.gather(*(client.decrypt("a", channel) for channel in channels))
    assert set(values) == {b"hunter2"}
    assert await vault.series("worker_restarts_total") == {0: 0, 1: 1}


async def test_one_worker_sweeps_and_its_replacement_goes_on(
    vault: Supervised, client: Client, known: InMemoryMetadata
) -> None:
    for times, name in enumerate(("a", "b"), start=1):
        await client.create(name)
        known.delete(NAMESPACE, name)
        await swept(vault, times)
        if times == 1:
            os.kill(vault.pid(0), signal.SIGKILL)
            await vault.until_replaced(0)

    assert {line["worker_number"] for line in vault.said("swept")} == {0}


async def test_every_worker_shows_a_renewed_certificate(
    vault: Supervised, installation: Installation
) -> None:
    port = (await vault.line("ready"))["clients"]
    before = {await shown_certificate(port, installation) for _ in range(8)}

    renew(installation)

    after = {await shown_certificate(port, installation) for _ in range(16)}
    assert (len(before), len(after)) == (1, 1)
    assert before != after


async def test_a_configuration_that_is_wrong_is_refused_before_any_worker_starts(
    start: Start, environment: dict[str, str]
) -> None:
    vault = await start(environment | {"SPLITKEEP_VAULT_PROT": "1"})

    assert await vault.ended() == 2
    assert [len(line["problems"]) for line in vault.said("start refused")] == [1]
    assert vault.pids() == {}


async def test_what_only_a_worker_can_find_wrong_is_told_once(
    start: Start, environment: dict[str, str], installation: Installation
) -> None:
    installation.kek_file.chmod(0o644)
    vault = await start(environment)

    assert await vault.ended() == 2
    assert ["mode 0600" in line["problems"][0] for line in vault.said("start refused")] == [
        True
    ]
    await vault.until_nobody_is_left()


async def swept(vault: Supervised, times: int) -> None:
    async def enough() -> bool | None:
        return len(vault.said("swept")) >= times or None

    await eventually(enough)


async def shown_certificate(port: int, installation: Installation) -> bytes:
    context = ssl.create_default_context(cafile=installation.ca)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return shown


def renew(installation: Installation) -> None:
    """The server's certificate is another one, of the same authority."""
    now = SystemClock().now()
    pair = KeyPair(installation.folder / "renewed.pem", installation.folder / "renewed.key")
    files = KeyPair(installation.ca, installation.ca.with_suffix(".key"))
    authority = ensure_authority(files, name="clients", now=now)
    ensure_leaf(pair, authority, names=("localhost", "127.0.0.1"), now=now + timedelta(hours=1))
    pair.private_key.replace(installation.server.private_key)
    pair.certificate.replace(installation.server.certificate)
