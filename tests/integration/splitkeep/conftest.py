"""What the client's tests share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from splitkeep.client import DecryptClient
from tests.integration.splitkeep.scripted_vault import ScriptedVault, make_certificates, serving

Connect = Callable[[ScriptedVault], Awaitable[DecryptClient]]


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate that the scripted vault's is signed by."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def connect(ca: Path) -> AsyncIterator[Connect]:
    """Starts a scripted vault and connects a client to it; both end with the test."""
    async with AsyncExitStack() as open_things:

        async def open_client(vault: ScriptedVault) -> DecryptClient:
            port = await open_things.enter_async_context(serving(vault, ca))
            client = DecryptClient.connect(
                f"127.0.0.1:{port}", ca=ca, token=lambda: "the-token"
            )
            return await open_things.enter_async_context(client)

        yield open_client
