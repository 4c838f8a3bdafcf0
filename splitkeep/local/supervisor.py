"""Keeps programs running: starts them together, restarts what dies, stops them in order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 30.0

Report = Callable[[str], None]


class StartError(Exception):
    """A program does not come up; the text says which, and its last words."""


class Unit(Protocol):
    """A program that is started, watched and stopped."""

    @property
    def name(self) -> str:
        """What to call it to a person."""
        ...

    async def start(self) -> None:
        """It is ready. Raises StartError, or an error of its own."""
        ...

    async def ended(self) -> int:
        """The exit code, once there is one; minus the signal's number if one ended it."""
        ...

    async def stop(self) -> None:
        """It has ended. Nothing happens if it is not running."""
        ...


@dataclass(slots=True)
class Supervisor:
    """Units in the order in which they were started.

    `changed` is called whenever one has come back.
    """

    report: Report
    changed: Callable[[], None]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _units: list[Unit] = field(default_factory=list)
    _watching: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, units: Sequence[Unit]) -> None:
        """All of them are ready and watched; they were started at once.

        Raises StartError with what all say that fail, or the first error of another kind; what
        did start is stopped by `stop`.
        """
        self._units += units
        results = await asyncio.gather(*(u.start() for u in units), return_exceptions=True)
        raise_errors([result for result in results if isinstance(result, BaseException)])
        self._watching += [asyncio.create_task(self._watch(unit)) for unit in units]

    async def stop(self) -> None:
        """All have ended, the last started first."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._watching.clear()
        while self._units:
            await self._units.pop().stop()

    async def _watch(self, unit: Unit) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while True:
            since = loop.time()
            code = await unit.ended()
            if loop.time() - since > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self.report(f"{unit.name} ended {describe_exit(code)}; starting it again")
            pause = await self._restart(unit, pause)
            self.report(f"{unit.name} is back")
            self.changed()

    async def _restart(self, unit: Unit, pause: float) -> float:
        """It is ready again; answers how long to wait the next time."""
        while True:
            await self.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            try:
                await unit.start()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next try may do
                self.report(f"{unit.name} does not start: {error}")
                await unit.stop()
            else:
                return pause


def raise_errors(errors: Sequence[BaseException]) -> None:
    """All refusals in one; nothing happens without errors."""
    for error in errors:
        if len(errors) == 1 or not isinstance(error, StartError):
            raise error
    if errors:
        raise StartError("\n".join(map(str, errors)))


def describe_exit(code: int) -> str:
    """An exit code in words."""
    return f"by signal {-code}" if code < 0 else f"with code {code}"
