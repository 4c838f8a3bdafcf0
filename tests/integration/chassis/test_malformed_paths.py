"""Requests for paths that no client library sends."""

import pytest

from tests.integration.chassis.echo import repeat
from tests.integration.chassis.harness import Harness
from tests.integration.chassis.raw_http2 import ask

UNIMPLEMENTED = b"grpc-status\x0212"
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


async def test_a_path_that_is_no_text_is_refused_and_the_next_call_answered(
    harness: Harness,
) -> None:
    """grpc.aio decodes the path before any code of ours runs, and says UNKNOWN."""
    port = await harness.serve(repeat)

    refused = await ask(port, b"/\xff\xfe")
    answered = await ask(port, b"/tests.Echo/Once")

    assert UNKNOWN in refused
    assert EMPTY_ANSWER in answered
