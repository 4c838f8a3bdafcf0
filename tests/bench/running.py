"""Programs that run beside the stack for as long as a subject is measured."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
END_SECONDS = 20
POLL_SECONDS = 0.05
SHOWN_OF_A_LOG = 500
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
        await _until(ready, process, log)
        yield process
    finally:
        await _end(process)


async def _until(
    ready: Callable[[], Awaitable[bool]], process: asyncio.subprocess.Process, log: Path
) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await ready():
                if process.returncode is not None:
                    code, words = process.returncode, _last_words(log)
                    raise DidNotStartError(f"it ended with code {code}: {words}")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise DidNotStartError(f"it was not ready within {START_SECONDS} s") from None


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-SHOWN_OF_A_LOG:]


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


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
