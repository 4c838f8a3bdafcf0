"""What is left of a connection that is over, before the garbage collector looks for cycles."""

import asyncio
import gc
import weakref

import pytest

from gateway.edge.connection import BoundedConnection
from tests.integration.gateway.conftest import VALUES, Gateway
from tests.integration.gateway.raw_http import BEARER, HOST

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("times", [1, 12])
async def test_a_connection_that_is_over_is_freed_at_once(gateway: Gateway, times: int) -> None:
    request = f"GET {VALUES} HTTP/1.1\r\n".encode() + HOST + BEARER + b"\r\n"
    gc.collect()
    gc.disable()
    try:
        async with gateway.connection() as (reader, writer):
            writer.write(request * times)
            await reader.readuntil(b"\r\n\r\n")
            made = [weakref.ref(each) for each in _connections()]
        await asyncio.sleep(0.5)

        assert made
        assert [each for each in made if each() is not None] == []
    finally:
        gc.enable()


def _connections() -> list[BoundedConnection]:
    return [each for each in gc.get_objects() if isinstance(each, BoundedConnection)]
