"""Runs the control beside the stack it is compared with."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.control_server import HOST, PREFIX
from tests.bench.memory import children
from tests.bench.running import running, written
from tests.bench.under_test import StackUnderTest


@dataclass(frozen=True, slots=True)
class Control:
    """Where the running control is; it has as many workers as the vault."""

    target: str
    url: str
    operations: tuple[str, ...]
    workers: int


@asynccontextmanager
async def control_beside(stack: StackUnderTest, folder: Path) -> AsyncIterator[Control]:
    """A control with the vault's certificate and issuers. Raises DidNotStartError."""
    workers = len(children(stack.pids["vault"])) or 1
    files = stack.state.key_pair("vault")
    told = {
        "TLS_CERTIFICATE": str(files.certificate),
        "TLS_PRIVATE_KEY": str(files.private_key),
        "ISSUERS": str(stack.state.issuer_directory / "issuers.json"),
        "SHARED_PORT": str(workers > 1).lower(),
        "PORT": "0",
    }
    async with AsyncExitStack() as started:
        servers = []
        for number in range(workers):
            server = await started.enter_async_context(_server(told, folder, number))
            servers.append(server)
            told["PORT"] = str(server["clients"])
        yield Control(
            target=f"{HOST}:{servers[0]['clients']}",
            url=f"https://{HOST}:{servers[0]['https']}",
            operations=tuple(f"http://{HOST}:{server['operations']}" for server in servers),
            workers=workers,
        )


@asynccontextmanager
async def _server(
    told: dict[str, str], folder: Path, number: int
) -> AsyncIterator[dict[str, int]]:
    """The ports of one worker."""
    ready = folder / f"control-{number}.json"
    ready.unlink(missing_ok=True)
    async with running(
        (sys.executable, "-m", "tests.bench.control_server"),
        ready=written(ready),
        log=folder / f"control-{number}.log",
        environment={
            PREFIX + name: text for name, text in (*told.items(), ("READY_FILE", str(ready)))
        },
    ):
        yield json.loads(ready.read_text())
