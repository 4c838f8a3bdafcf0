"""A supervisor with its workers as a test sees them: log, operators' port, calls, processes."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx2

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05

T = TypeVar("T")


async def eventually(read: Callable[[], Awaitable[T | None]]) -> T:
    """What `read` answers once it is not None."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (value := await read()) is None:  # noqa: ASYNC110  # other processes tell nobody
            await asyncio.sleep(POLL_SECONDS)
    return value


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not yet buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Supervised:
    """One supervisor that was started for a test, and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._heard = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())
        self._http = httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS)

    @classmethod
    async def start(cls, *words: str, environ: Mapping[str, str] | None = None) -> "Supervised":
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                cwd=ROOT,
                env=environ,
                stderr=asyncio.subprocess.PIPE,
            )
        )

    async def stop(self) -> None:
        """Nothing of it is left."""
        for pid in [self.process.pid, *self.pids()]:
            if is_alive(pid):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        await self.ended()
        await self._http.aclose()

    async def ended(self) -> int:
        """The exit code; every line has been heard."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await self.process.wait()
            await self._listening
        return code

    async def line(self, event: str) -> dict[str, Any]:
        """The first line of this event."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._heard:
            while not (found := self.said(event)):
                assert not self._listening.done(), self.lines
                await self._heard.wait()
        return found[0]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def pids(self) -> dict[int, int]:
        """Every worker that there has ever been, by process id: its number."""
        return {
            line["worker_pid"]: line["worker_number"] for line in self.said("worker started")
        }

    def pid(self, number: int) -> int:
        """Of the worker that has the number now."""
        return [pid for pid, known in self.pids().items() if known == number][-1]

    async def fetched(self, path: str) -> httpx2.Response:
        port = (await self.line("ready"))["operations"]
        return await self._http.get(f"http://127.0.0.1:{port}{path}")

    async def readiness(self) -> tuple[int, Sequence[str]]:
        answer = await self.fetched("/readyz")
        return answer.status_code, answer.json()["failing"]

    async def series(self, name: str, **labels: str) -> dict[int, float]:
        """A metric of each worker, summed over all other labels; the label chooses."""
        text = (await self.fetched("/metrics")).text
        sums: dict[int, float] = {}
        for found in re.finditer(rf"^{name}{{(.*)}} (.*)$", text, re.MULTILINE):
            pairs = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
            if labels.items() <= pairs.items():
                number = int(pairs["worker"])
                sums[number] = sums.get(number, 0) + float(found[2])
        return sums

    async def until_ready(self) -> None:
        async def ready() -> bool | None:
            return (await self.readiness())[0] == 200 or None

        await eventually(ready)

    async def until_replaced(self, number: int, times: int = 1) -> None:
        """The number's worker has been replaced so often, and the last one serves."""

        async def replaced() -> bool | None:
            lines = self.said("worker replaced")
            return sum(line["worker_number"] == number for line in lines) >= times or None

        await eventually(replaced)

    async def until_nobody_is_left(self) -> None:
        async def gone() -> bool | None:
            return not any(is_alive(pid) for pid in [self.process.pid, *self.pids()]) or None

        await eventually(gone)

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            async with self._heard:
                self.lines.append(json.loads(raw))
                self._heard.notify_all()
        async with self._heard:
            self._heard.notify_all()
