"""Trailers of a gRPC request, which no client library sends (RFC 9113 §8.1)."""

from typing import Any

import pytest

from chassis.identity import credential
from tests.integration.chassis.harness import Harness
from tests.integration.chassis.raw_http2 import ask, header

UNAUTHENTICATED = b"grpc-status\x0216"


async def only_with_a_credential(_text: str, context: Any) -> str:
    """The credential, which is answered so that a test can see it."""
    return credential(context.invocation_metadata()).reveal()


@pytest.mark.parametrize("name", [b"authorization", b"x-access-token"])
async def test_a_credential_in_a_trailer_of_a_call_is_none(
    harness: Harness, name: bytes
) -> None:
    port = await harness.serve(only_with_a_credential)
    trailers = header(name, b"Bearer only-in-a-trailer")

    answered = await ask(port, b"/tests.Echo/Once", trailers=trailers)

    assert UNAUTHENTICATED in answered
    assert b"only-in-a-trailer" not in answered


async def test_a_credential_in_a_header_of_the_same_call_is_one(harness: Harness) -> None:
    """Else the test above would pass whatever the server does."""
    port = await harness.serve(only_with_a_credential)
    token = header(b"authorization", b"Bearer in-a-header")

    answered = await ask(
        port, b"/tests.Echo/Once", more_fields=token, trailers=header(b"x-other", b"1")
    )

    assert b"in-a-header" in answered
