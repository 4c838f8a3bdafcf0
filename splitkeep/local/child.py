"""A child process that ends with its parent, whatever ends the parent."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from splitkeep.files import open_file

LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and group a program runs as."""

    uid: int
    gid: int


NO_CHANGE = Identity(-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, as whom, with what, and where its output goes."""

    command: Sequence[str]
    log: Path
    environ: Mapping[str, str]
    directory: Path
    identity: Identity = NO_CHANGE
    end_signal: signal.Signals = signal.SIGTERM
    end_seconds: float = 20


@dataclass(slots=True)
class Child:
    """One program, started at most once at a time.

    It has a session of its own, so that a Ctrl-C at the terminal reaches the supervisor alone,
    which then ends its children in order.
    """

    program: Program
    _process: Process | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process id of the latest start; 0 before the first."""
        return self._process.pid if self._process is not None else 0

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """The program runs; its output is appended to the log."""
        program = self.program
        who = program.identity
        numbers = (os.getpid(), int(program.end_signal), who.uid, who.gid)
        command = [sys.executable, "-I", "-S", str(LEASH), *map(str, numbers), *program.command]
        with open_file(program.log, "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(program.environ),
                cwd=program.directory,
                start_new_session=True,
            )

    async def ended(self) -> int:
        """The exit code, once there is one; minus the signal's number if one ended it."""
        if self._process is None:
            raise RuntimeError("a child that was never started does not end")
        return await self._process.wait()

    async def stop(self) -> None:
        """It has ended: asked to, and killed when it takes longer than `end_seconds`."""
        if self._process is None or not self.running:
            return
        self.send(self.program.end_signal)
        try:
            await asyncio.wait_for(self._process.wait(), self.program.end_seconds)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """The signal is sent, unless the process has ended."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
