"""Whatever a caller sends, a vault's log grows slowly and loses no decision on a name."""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import grpc
import pytest

from chassis.errors import ResourceExhaustedError, UnauthenticatedError, UnavailableError
from chassis.grpc_client import call, open_channel
from chassis.sensitive import Sensitive
from protos.splitkeep.vault.v1 import decrypter_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from tests.fakes.vault_svc.vault import NAMESPACE
from tests.integration.chassis.raw_http2 import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    header,
    headers_frames,
    request_fields,
)
from tests.integration.chassis.supervised import Supervised
from tests.integration.vault_svc.installation import Installation

SECONDS = 6.0
BYTES_PER_SECOND = 65_536
"""What these attacks may cause: a quarter of what docs/operations.md promises of all."""
BYTES_PER_CALL = 1_024
"""What a call of nothing but impossible names costs."""
POLITE, DECRYPT = "polite", b"/splitkeep.vault.v1.Decrypter/DecryptSecureValues"


@dataclass(frozen=True)
class Vault:
    """A process, and how to reach it."""

    process: Supervised
    channel: grpc.aio.Channel
    port: int

    def logged_bytes(self) -> int:
        """About what the log has grown to: json.dumps adds some blanks."""
        return sum(len(json.dumps(line)) for line in self.process.lines)

    async def decrypt(self, names: list[str], token: Sensitive[str], identity: str) -> None:
        await call(
            DecrypterStub(self.channel).DecryptSecureValues,
            decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=names),
            deadline_seconds=30,
            token=token,
            metadata=(("x-grafana-service-identity-name", identity),),
        )


@pytest.fixture
def workers() -> str:
    return "1"


@pytest.fixture
async def vault(
    installation: Installation, vault_dsn: Sensitive[str], peer_port: int, workers: str
) -> AsyncIterator[Vault]:
    told = installation.environment(
        DSN=vault_dsn.reveal(),
        METADATA_TARGET=f"127.0.0.1:{peer_port}",
        WORKERS=workers,
        FLOOD_BLOCK_SECONDS="0",  # the flood is to go on
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPLITKEEP_", "GRPC_"))}
    process = await Supervised.start("-m", "vault_svc", environ=clean | told)
    port = (await process.line("ready"))["clients"]
    async with open_channel(f"127.0.0.1:{port}", ca=installation.ca) as channel:
        yield Vault(process, channel, port)
    await process.stop()


async def for_a_while(work: Callable[[], Awaitable[int]], at_once: int) -> int:
    """How often the work was done, by so many at once."""
    end = time.monotonic() + SECONDS

    async def repeated() -> int:
        done = 0
        while time.monotonic() < end:
            done += await work()
        return done

    return sum(await asyncio.gather(*(repeated() for _ in range(at_once))))


async def polite(vault: Vault, token: Sensitive[str]) -> list[str]:
    """Names that were decided on one after another for as long as the others flood.

    Its token is known, so the refusals that its address causes do not concern it.
    """
    names: list[str] = []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        name = f"name-{time.monotonic_ns()}"
        await vault.decrypt([name], token, POLITE)
        names.append(name)
        await asyncio.sleep(0.05)
    return names


def decided(vault: Vault) -> list[str]:
    return [
        name
        for line in vault.process.said("decrypt")
        if line["claimed_identity"] == POLITE
        for name in line["names"]
    ]


async def test_impossible_names_cost_a_call_one_short_line(
    vault: Vault, installation: Installation
) -> None:
    token = installation.token()
    names = [f"{number}".rjust(1_000, "X") for number in range(1_000)]
    before = vault.logged_bytes()

    async def ask() -> int:
        await vault.decrypt(names, token, "x" * 5_000)
        return 1

    calls, kept = await asyncio.gather(for_a_while(ask, 4), polite(vault, token))
    await asyncio.sleep(1.5)  # the counts of the last second are written

    grown = vault.logged_bytes() - before
    assert calls > 10
    assert grown < BYTES_PER_CALL * (calls + len(kept)) + BYTES_PER_SECOND
    assert decided(vault) == kept
    assert sum(line.get("malformed_names", 0) for line in vault.process.lines) == 1_000 * calls


def _request(stream: int, more: bytes) -> bytes:
    return headers_frames(stream, request_fields(DECRYPT) + more, END_STREAM)


def _streams(more: bytes, count: int = 100) -> bytes:
    """Calls that are given up as soon as they are made, so that no bound on them is met."""
    return b"".join(
        _request(stream, more) + frame(RST_STREAM, 0, stream, b"\x00\x00\x00\x08")
        for stream in range(1, 2 * count, 2)
    )


OPENING = PREFACE + frame(SETTINGS, 0, 0, b"")
SENT = {
    "a timeout that is none": OPENING + _streams(header(b"grpc-timeout", b"not-a-timeout")),
    "a header of no text": OPENING + _streams(header(b"x-request-id", b"\xff\xfe")),
    "a binary header of no base64": OPENING + _streams(header(b"a-bin", b"!!!!")),
    "compression that is none": OPENING + _streams(header(b"grpc-encoding", b"nonsense")),
    "a size update beyond the table": OPENING
    + frame(HEADERS, END_HEADERS, 1, b"\x3f\xff\xff\x7f"),
    "an index beyond the table": OPENING + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\x7f"),
    "settings of no size": OPENING + frame(SETTINGS, 0, 0, b"\x00"),
    "a frame of an even stream": OPENING + frame(HEADERS, END_HEADERS, 2, b"\x82"),
    "frames beyond their size": OPENING + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "no preface": b"GET / HTTP/1.1\r\n\r\n" * 100,
}


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


async def _send(port: int, data: bytes, context: ssl.SSLContext | None) -> int:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            try:
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(0.02)
            finally:
                writer.transport.abort()
    return 1


async def test_a_strangers_bytes_are_few_lines_and_each_is_ours(
    vault: Vault, installation: Installation
) -> None:
    token, context = installation.token(), _context()
    before = vault.logged_bytes()
    pieces = [*((data, context) for data in SENT.values()), (b"no TLS" * 100, None)]

    async def attack() -> int:
        return sum([await _send(vault.port, data, tls) for data, tls in pieces])

    sent, kept = await asyncio.gather(for_a_while(attack, 8), polite(vault, token))
    await asyncio.sleep(1.5)  # the counts of the last second are written

    assert sent > 100
    assert vault.logged_bytes() - before < BYTES_PER_SECOND * SECONDS
    assert decided(vault) == kept  # and Supervised has read every line as JSON


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_calls_with_junk_for_a_token_are_few_lines(
    vault: Vault, installation: Installation, workers: str
) -> None:
    token = installation.token()
    await vault.decrypt(["known-already"], token, "before")  # as any caller's of long standing
    before = vault.logged_bytes()

    async def ask() -> int:
        junk = Sensitive(f"eyJ{time.monotonic_ns()}.{'x' * 2_000}.y")
        with suppress(UnauthenticatedError, ResourceExhaustedError, UnavailableError):
            await vault.decrypt(["a" * 1_000] * 100, junk, "stranger")
        return 1

    asked, kept = await asyncio.gather(for_a_while(ask, 16), polite(vault, token))
    await asyncio.sleep(1.5)  # the counts of the last second are written

    assert asked > 1_000
    assert vault.logged_bytes() - before < BYTES_PER_SECOND * SECONDS * int(workers)
    assert kept
    assert decided(vault) == kept
    refused = [line for line in vault.process.lines if line["event"] == "call refused"]
    assert "xxxx" not in json.dumps(refused)
