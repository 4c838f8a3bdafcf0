"""A client that never stops sending keeps nobody else waiting."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from chassis.grpc_poller import EXPERIMENT, VERSIONS, read_in_turns
from tests.integration.chassis.raw_http2 import PREFACE, SETTINGS, frame

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 3.0
LONGEST_SECONDS = 2.0  # of one call, on a machine with something else to do
UNKNOWN_FRAMES = frame(0xFA, 0, 0, b"") * 7_000
SERVER = """
import asyncio, os
from chassis.grpc_poller import read_in_turns
read_in_turns(os.environ)
import grpc
class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        async def answer(request, context):
            return b""
        return grpc.unary_unary_rpc_method_handler(answer)
async def main():
    server = grpc.aio.server(handlers=(Handler(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()
asyncio.run(main())
"""


@contextmanager
def serving() -> Iterator[int]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("GRPC_")}
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, cwd=ROOT, env=clean, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


async def send_without_end(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
        while True:
            writer.write(UNKNOWN_FRAMES)
            await writer.drain()
    finally:
        writer.transport.abort()


async def longest_call(port: int) -> float:
    """Of some seconds of calls, one after another."""
    took = 0.0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        call = channel.unary_unary("/service/method")
        end = time.monotonic() + SECONDS
        while (began := time.monotonic()) < end:
            await call(b"", timeout=60, wait_for_ready=True)
            took = max(took, time.monotonic() - began)
    return took


async def test_calls_are_answered_while_one_client_never_stops_sending() -> None:
    with serving() as port:
        await longest_call(port)
        sending = asyncio.create_task(send_without_end(port))
        await asyncio.sleep(0.5)

        longest = await longest_call(port)

        assert not sending.done()
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    assert longest < LONGEST_SECONDS


def test_what_the_operator_has_chosen_stands() -> None:
    environ = {"GRPC_EXPERIMENTS": "of_the_operator"}

    read_in_turns(environ)

    assert environ == {"GRPC_EXPERIMENTS": "of_the_operator"}


def test_only_a_version_that_knows_the_experiment_is_asked_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: dict[str, str] = {}
    unknown: dict[str, str] = {}

    read_in_turns(known)
    monkeypatch.setattr("chassis.grpc_poller.version", lambda _: "1.85.1")
    read_in_turns(unknown)

    wanted = {"GRPC_EXPERIMENTS": EXPERIMENT} if grpc.__version__ in VERSIONS else {}
    assert (known, unknown) == (wanted, {})
