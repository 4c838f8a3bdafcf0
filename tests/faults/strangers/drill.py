"""What an attack does to a stack: to a polite caller, to memory, to readiness and to metrics.

The attacker is a process of its own, with a lower priority than the rest.
"""

import asyncio
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.bench.bystanders import OK, Client
from tests.bench.memory import children, resident_mib
from tests.bench.under_test import StackUnderTest

ROOT = Path(__file__).resolve().parents[3]
SAMPLE_SECONDS = 0.1
BACK_MIB = 20.0  # what may still be held afterwards
BACK_SECONDS = 30.0  # in which it is given back
CALL_PAUSE_SECONDS = 0.01
TOLD = re.compile(r"^(\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)
SERVICES = ("vault", "metadata")
# Which of the metrics tell that a port is attacked.
TELLING = ("port_refusals_total", "port_connections", "worker_restarts_total")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one attack did. Memory is that of all workers together."""

    quiet_ms: float
    polite_ms: float
    calls: int
    errors: Sequence[str]
    before_mib: float
    peak_mib: float
    after_mib: float
    ready: Sequence[str]  # distinct answers of /readyz while it went on
    moved: Mapping[str, float]  # of the telling metrics

    @property
    def grown_mib(self) -> float:
        return self.peak_mib - self.before_mib

    @property
    def kept_mib(self) -> float:
        return self.after_mib - self.before_mib

    @property
    def slower(self) -> float:
        """How many times its quiet p99 a polite caller's was; infinite without an answer."""
        return self.polite_ms / self.quiet_ms if self.calls else float("inf")

    def figures(self) -> Mapping[str, float]:
        """For docs/acceptance.json."""
        return {
            "p99 quiet, ms": round(self.quiet_ms, 1),
            "p99, ms": round(self.polite_ms, 1),
            "answered": self.calls,
            "kinds of failure": len(self.errors),
            "MiB before": round(self.before_mib),
            "MiB at most": round(self.peak_mib),
            "MiB after": round(self.after_mib),
            "refused": sum(count for name, count in self.moved.items() if "refusals" in name),
        }


def attacker(names: Iterable[str], port: int, *, seconds: float, times: float) -> Sequence[str]:
    """The command of a process that makes these attacks together."""
    return (
        *(sys.executable, "-m", "tests.faults.strangers"),
        *(str(port), str(seconds), str(times), *names),
    )


class Drill:
    """Attacks on a running stack; its polite caller has a standing connection."""

    def __init__(self, stack: StackUnderTest, polite: Client) -> None:
        self._stack, self._polite = stack, polite
        self._workers = [
            pid for name in SERVICES for pid in children(stack.pids[name]) or [stack.pids[name]]
        ]
        self._quiet_ms = 0.0

    async def quiet(self, seconds: float) -> None:
        """The polite caller's p99 without an attack is known."""
        await self._calls(0.5)
        self._quiet_ms = (await self._calls(seconds))[0]

    async def attack(
        self, names: Sequence[str], port: int, *, seconds: float, times: float
    ) -> Seen:
        """They have gone on together for so long, and what they left has had time to go."""
        before = self._resident()
        told = await self._metrics()
        process = await asyncio.create_subprocess_exec(
            *attacker(names, port, seconds=seconds, times=times),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(self._stack.decrypter.reveal().encode())
        process.stdin.close()
        peak, ready = asyncio.create_task(self._peak()), asyncio.create_task(self._readiness())
        polite_ms, errors, calls = await self._calls(seconds + 0.5)  # it has to start first
        if await process.wait() != 0:
            raise RuntimeError(f"an attack has failed: {', '.join(names)}")
        for task in (peak, ready):
            task.cancel()
        return Seen(
            quiet_ms=self._quiet_ms,
            polite_ms=polite_ms,
            calls=calls,
            errors=errors,
            before_mib=before,
            peak_mib=await peak,
            after_mib=await self._settled(before),
            ready=await ready,
            moved=_moved(told, await self._metrics()),
        )

    async def answered(self) -> bool:
        """A polite call is."""
        return (await self._calls(0.1))[2] > 0

    async def _calls(self, seconds: float) -> tuple[float, Sequence[str], int]:
        """The p99 of those that were answered, the codes of the others, and how many were."""
        self._polite.seen.answers.clear()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._polite.ask()
            await asyncio.sleep(CALL_PAUSE_SECONDS)
        seen = self._polite.seen
        codes = sorted({code.name for code, _ in seen.answers if code is not OK})
        return seen.p99_ms(OK), codes, seen.count(OK)

    def _resident(self) -> float:
        return sum(resident_mib(pid) for pid in self._workers)

    async def _peak(self) -> float:
        highest = 0.0
        with suppress(asyncio.CancelledError):
            while True:
                highest = max(highest, self._resident())
                await asyncio.sleep(SAMPLE_SECONDS)
        return highest

    async def _settled(self, before: float) -> float:
        """What is resident once little more is than before, or after a while."""
        end = time.monotonic() + BACK_SECONDS
        while (now := self._resident()) > before + BACK_MIB and time.monotonic() < end:  # noqa: ASYNC110  # memory tells nobody
            await asyncio.sleep(SAMPLE_SECONDS)
        return now

    async def _readiness(self) -> Sequence[str]:
        answers: set[str] = set()
        with suppress(asyncio.CancelledError):
            async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
                while True:
                    for operations in self._stack.operations:
                        answer = await http.get(f"{operations}/readyz")
                        answers.add(f"{answer.status_code} {answer.json()['failing']}")
                    await asyncio.sleep(SAMPLE_SECONDS)
        return sorted(answers)

    async def _metrics(self) -> Mapping[str, float]:
        found: dict[str, float] = {}
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            for service, operations in zip(SERVICES, self._stack.operations, strict=True):
                text = (await http.get(f"{operations}/metrics")).text
                for name, number in TOLD.findall(text):
                    found[f"{service}: {name}"] = float(number)
        return found


def _moved(before: Mapping[str, float], after: Mapping[str, float]) -> Mapping[str, float]:
    changes = {name: number - before.get(name, 0) for name, number in after.items()}
    return {
        name: change
        for name, change in changes.items()
        if change and name.partition(": ")[2].startswith(TELLING)
    }
