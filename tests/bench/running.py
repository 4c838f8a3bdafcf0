"""Programs that run beside the stack for as long as a subject is measured."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
END_SECONDS = 20
POLL_SECONDS = 0.05
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
MICROSECONDS = 1_000_000


class DidNotStartError(Exception):
    """The program ended before it was ready, or was not ready in time."""


@asynccontextmanager
async def running(
    command: Sequence[str],
    *,
    ready: Callable[[], Awaitable[bool]],
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program runs for the length of the block and is ready when it begins.

    Its words go to `log`; it is ended by SIGTERM, and by SIGKILL if it takes too long. Raises
    DidNotStartError.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        await _until(ready, process)
        yield process
    finally:
        await _end(process)


async def _until(
    ready: Callable[[], Awaitable[bool]], process: asyncio.subprocess.Process
) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await ready():
                if process.returncode is not None:
                    raise DidNotStartError(f"it ended with code {process.returncode}")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise DidNotStartError(f"it was not ready within {START_SECONDS} s") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def written(path: Path) -> Callable[[], Awaitable[bool]]:
    """A program is ready when this file is there."""

    async def is_there() -> bool:
        return path.exists()  # noqa: ASYNC240  # a stat of a local file

    return is_there


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads so far (Linux: /proc). Raises OSError if it has ended."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()  # a program's name may hold anything
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
