"""Offers to speak another protocol: declined, whatever comes with them."""

import pytest

from tests.integration.gateway.conftest import VALUES, Gateway
from tests.integration.gateway.raw_http import BEARER, HOST, is_status

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRY = b'{"dryRun":["All"]}'
FRAMED = {
    "a length": b"Content-Length: %d\r\n\r\n%s" % (len(DRY), DRY),
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(DRY), DRY),
}


async def test_an_upgrade_to_another_protocol_is_not_made(gateway: Gateway) -> None:
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"

    status, received = await gateway.exchange(
        b"GET /healthz HTTP/1.1\r\n" + HOST + upgrade + b"\r\n"
    )

    assert (status, b"101" in received.split(b"\r\n")[0]) == (200, False)


@pytest.mark.parametrize("framing", FRAMED)
async def test_a_body_beside_an_upgrade_is_refused_and_not_left_out(
    gateway: Gateway, framing: str
) -> None:
    made = {"metadata": {"name": "kept"}, "spec": {"description": "d", "value": "v"}}
    async with gateway.http() as http:
        assert (await http.post(VALUES, json=made)).status_code == 201
    head = b"DELETE %s/kept HTTP/1.1\r\n" % VALUES.encode() + HOST + BEARER
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n"

    _, received = await gateway.exchange(head + upgrade + FRAMED[framing])

    assert is_status(received, 400)
    async with gateway.http() as http:
        assert (await http.get(f"{VALUES}/kept")).status_code == 200
