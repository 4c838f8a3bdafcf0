"""A message that unpacks to far more than any request may have."""

import asyncio
import zlib
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis.grpc_client import call
from tests.integration.chassis.echo import NAME, EchoStub, repeat
from tests.integration.chassis.harness import Harness
from tests.integration.chassis.raw_http2 import ask, header

UNPACKED_MIB = 48
GROWTH_KIB = 16 * 1024
GZIP = 16 + zlib.MAX_WBITS


def a_bomb() -> bytes:
    """A gRPC message of less than 60 KB, marked as packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, GZIP)
    mebibyte = bytes(1024 * 1024)
    packed = b"".join(packer.compress(mebibyte) for _ in range(UNPACKED_MIB)) + packer.flush()
    return b"\x01" + len(packed).to_bytes(4, "big") + packed


def memory_kib(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(li.split()[1]) for li in status.splitlines() if li.startswith(field))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def test_a_packed_message_is_not_unpacked(harness: Harness) -> None:
    port = await harness.serve(repeat, max_request_bytes=1024 * 1024)
    bomb = a_bomb()
    await ask(port, f"/{NAME}/Once".encode())
    forget_peak()
    before = memory_kib("VmRSS")

    for _ in range(2):
        packed = header(b"grpc-encoding", b"gzip")
        async with asyncio.timeout(10):
            await ask(port, f"/{NAME}/Once".encode(), body=bomb, more_fields=packed)

    assert memory_kib("VmHWM") - before < GROWTH_KIB


async def test_a_packed_message_is_unimplemented_and_the_next_good_one_answered(
    harness: Harness,
) -> None:
    stub = EchoStub(await harness.channel(await harness.serve(repeat)))
    hello = StringValue(value="hello" * 100)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Once(hello, compression=grpc.Compression.Gzip, timeout=5)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert await call(stub.Once, hello, deadline_seconds=5) == hello
