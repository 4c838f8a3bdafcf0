"""Runs the control server beside the stack it is compared with."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.control_server import HOST, PREFIX
from tests.bench.under_test import StackUnderTest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Control:
    """Where the running control is."""

    target: str
    operations: str


@asynccontextmanager
async def control_beside(stack: StackUnderTest, folder: Path) -> AsyncIterator[Control]:
    """A control with the vault's certificate and issuers. Raises RuntimeError."""
    ready, log = folder / "control.json", folder / "control.log"
    ready.unlink(missing_ok=True)
    files = stack.state.key_pair("vault")
    told = {
        "TLS_CERTIFICATE": files.certificate,
        "TLS_PRIVATE_KEY": files.private_key,
        "ISSUERS": stack.state.issuer_directory / "issuers.json",
        "READY_FILE": ready,
    }
    environment = os.environ | {PREFIX + name: str(path) for name, path in told.items()}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.control_server"),
            cwd=ROOT,
            env=environment,
            stderr=output,
        )
    try:
        await _until_ready(process, ready)
        ports = json.loads(ready.read_text())
        yield Control(f"{HOST}:{ports['clients']}", f"http://{HOST}:{ports['operations']}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_ready(process: asyncio.subprocess.Process, ready: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not ready.exists():  # noqa: ASYNC240  # a stat of a local file
            if process.returncode is not None:
                raise RuntimeError(f"the control ended with code {process.returncode}")
            await asyncio.sleep(POLL_SECONDS)
