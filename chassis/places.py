"""Where a program serves: in a process by itself, or as one of several workers.

What a worker does not have of its own is a place's: the number of a shared port, the operators'
port, whom to tell that it serves.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chassis.high_water import HighWaterMarks
from chassis.operations import OperationsPort, Vitals
from chassis.ready import announce, settle
from chassis.worker_link import WorkerEnd
from chassis.worker_process import END_MARGIN_SECONDS


class Place(Protocol):
    """See the module."""

    @property
    def number(self) -> int:
        """Its own among the workers. What is to be done once is done by number 0."""
        ...

    @property
    def shared(self) -> bool:
        """Whether others listen on the same ports."""
        ...

    @property
    def marks(self) -> HighWaterMarks:
        """What it and those beside it have seen at most."""
        ...

    def port(self, name: str, configured: int) -> int:
        """Where to listen."""
        ...

    async def open(self, ports: Mapping[str, int], vitals: Vitals) -> None:
        """Whoever waits for it knows that it serves, on these ports.

        Raises StartRefusedError.
        """
        ...

    async def close(self) -> None:
        """The vitals are not shown any more."""
        ...


@dataclass(slots=True)
class OwnPlace:
    """A process that has nobody beside it."""

    host: str
    operations_port: int
    ready_file: Path | None
    setting: str = "the port's setting"  # where the number was given
    number: int = field(default=0, init=False)
    shared: bool = field(default=False, init=False)
    marks: HighWaterMarks = field(default_factory=HighWaterMarks, init=False)
    _operations: OperationsPort | None = field(default=None, init=False)

    def port(self, _name: str, configured: int) -> int:
        """See Place."""
        return configured

    async def open(self, ports: Mapping[str, int], vitals: Vitals) -> None:
        """See Place."""
        self._operations = OperationsPort(
            self.host, self.operations_port, vitals, setting=self.setting
        )
        number = await self._operations.start()
        settle()
        announce({**ports, "operations": number}, self.ready_file)

    async def close(self) -> None:
        """See Place."""
        if self._operations is not None:
            await self._operations.stop()


class WorkerPlace:
    """One of several, as its arguments say (chassis/worker_process.py)."""

    shared = True

    def __init__(self, number: str, descriptor: str, *ports: str) -> None:
        self.number = int(number)
        self._link = WorkerEnd(int(descriptor))
        self.marks = self._link.marks
        words = (port.partition("=") for port in ports)
        self._ports = {name: int(given) for name, _, given in words}

    async def follow(self, stopping: asyncio.Event, drain_seconds: float) -> None:
        """From now on `stopping` follows the supervisor, which may be gone."""
        seconds = drain_seconds + 2 * END_MARGIN_SECONDS
        await self._link.follow(stopping, seconds_to_end=seconds)

    def refuse(self, problems: Sequence[str]) -> None:
        """The supervisor tells why this worker cannot start."""
        self._link.refuse(problems)

    def port(self, name: str, _configured: int) -> int:
        """See Place."""
        return self._ports[name]

    async def open(self, _ports: Mapping[str, int], vitals: Vitals) -> None:
        """See Place."""
        settle()
        self._link.serve(vitals)

    async def close(self) -> None:
        """See Place."""
