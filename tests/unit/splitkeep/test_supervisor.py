"""What dies is started again; what is stopped stays stopped, in the right order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from splitkeep.local.supervisor import StartError, Supervisor, Unit, describe_exit


class Program:
    """A Unit whose life the test decides; it writes what happens to it in a common diary."""

    def __init__(self, name: str, diary: list[str], *, failures: int = 0) -> None:
        self.name = name
        self.started = asyncio.Semaphore(0)
        self._diary, self._failures = diary, failures
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        if self._failures:
            self._failures -= 1
            self._diary.append(f"{self.name} fails")
            raise StartError(f"{self.name}: no")
        self._diary.append(f"{self.name} starts")
        self._end = asyncio.get_running_loop().create_future()
        self.started.release()

    async def ended(self) -> int:
        return await asyncio.shield(self._end)

    async def stop(self) -> None:
        self._diary.append(f"{self.name} stops")

    def die(self, code: int = -9, failures: int = 0) -> None:
        self._failures = failures
        self._end.set_result(code)


class Watched:
    """A supervisor with everything it says and does on record, and without real pauses."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.pauses: list[float] = []
        self.changes = asyncio.Semaphore(0)
        self.supervisor = Supervisor(self.said.append, self.changes.release, self._pause)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @asynccontextmanager
    async def running(self, *units: Unit) -> AsyncIterator[None]:
        await self.supervisor.start(units)
        try:
            yield
        finally:
            await self.supervisor.stop()


async def test_units_stop_in_the_reverse_of_the_order_in_which_they_started() -> None:
    diary: list[str] = []
    watched = Watched()

    async with watched.running(Program("database", diary)):
        await watched.supervisor.start([Program("service", diary)])
        diary.clear()

    assert diary == ["service stops", "database stops"]


async def test_a_unit_that_dies_is_started_again() -> None:
    diary: list[str] = []
    watched, service = Watched(), Program("service", diary)

    async with watched.running(service):
        service.die()
        await watched.changes.acquire()

    assert diary == ["service starts", "service starts", "service stops"]
    assert watched.said == [
        "service ended by signal 9; starting it again",
        "service is back",
    ]


async def test_a_unit_that_does_not_come_back_is_tried_again_ever_more_slowly() -> None:
    diary: list[str] = []
    watched, service = Watched(), Program("service", diary)

    async with watched.running(service):
        service.die(failures=8)
        await watched.changes.acquire()

    assert watched.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


async def test_one_unit_that_does_not_start_fails_the_start_and_all_are_stopped() -> None:
    diary: list[str] = []
    watched = Watched()
    units = [Program("good", diary), Program("bad", diary, failures=1)]

    with pytest.raises(StartError, match="bad: no"):
        await watched.supervisor.start(units)
    await watched.supervisor.stop()

    assert {"good stops", "bad stops"} <= set(diary)


async def test_all_units_that_do_not_start_are_heard() -> None:
    diary: list[str] = []
    watched = Watched()
    units = [Program(name, diary, failures=1) for name in ("one", "two")]

    with pytest.raises(StartError, match=r"^one: no\ntwo: no$"):
        await watched.supervisor.start([*units, Program("good", diary)])
    await watched.supervisor.stop()


async def test_nothing_comes_back_while_everything_is_stopped() -> None:
    diary: list[str] = []
    watched, service = Watched(), Program("service", diary)

    async with watched.running(service):
        pass
    service.die()
    await asyncio.sleep(0)

    assert diary == ["service starts", "service stops"]


def test_an_exit_is_told_in_words() -> None:
    assert (describe_exit(-15), describe_exit(2)) == ("by signal 15", "with code 2")
