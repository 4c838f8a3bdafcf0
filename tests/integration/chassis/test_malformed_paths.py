"""Requests for paths that no client library sends."""

import asyncio
from contextlib import suppress

import pytest

from chassis.fast_accept import problem
from tests.integration.chassis.echo import repeat
from tests.integration.chassis.harness import Harness
from tests.integration.chassis.raw_http2 import ask

UNIMPLEMENTED = b"grpc-status\x0212"
OK = b"grpc-status\x010"
UNKNOWN = b"grpc-status\x012"
EMPTY_ANSWER = b"\x00\x00\x00\x00\x00"


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"//",
        b"/tests.Echo/",
        b"tests.Echo/Once",
        b"/tests.Echo/Once/x",
        b"/tests.Echo/Once?x=1",
        b"/tests.Echo/\x00",
        b"/TESTS.ECHO/ONCE",
    ],
    ids=repr,
)
async def test_a_malformed_path_is_unimplemented(harness: Harness, path: bytes) -> None:
    port = await harness.serve(repeat)

    assert UNIMPLEMENTED in await ask(port, path)


async def test_a_path_that_is_no_text_is_not_served_and_the_next_call_is_answered(
    harness: Harness,
) -> None:
    """grpc.aio decodes the path before any code of ours runs; grpcio 1.85 ends its server."""
    port = await harness.serve(repeat)

    for _ in range(3):
        assert OK not in await ask(port, b"/\xff\xfe")
        assert OK in await _answered_within_a_second(port)


@pytest.mark.skipif(problem() is not None, reason=f"grpcio as locked: {problem()}")
async def test_the_locked_grpcio_refuses_a_path_that_is_no_text_and_answers_the_next_call(
    harness: Harness,
) -> None:
    port = await harness.serve(repeat)

    refused = await ask(port, b"/\xff\xfe")
    answered = await ask(port, b"/tests.Echo/Once")

    assert UNKNOWN in refused
    assert EMPTY_ANSWER in answered


async def _answered_within_a_second(port: int) -> bytes:
    async with asyncio.timeout(1):
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                return await ask(port, b"/tests.Echo/Once")
            await asyncio.sleep(0.01)
