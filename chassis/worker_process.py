"""One worker as its supervisor sees it: a process that is started, asked and replaced."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence

import structlog

from chassis.high_water import HighWaterMarks
from chassis.readiness import CHECK_TIMEOUT_SECONDS
from chassis.worker_link import SupervisorEnd

WORKER = "worker"  # the argument that makes a program one
# A worker's checks take so long at most; one that takes a second longer to tell hangs.
ANSWER_SECONDS = CHECK_TIMEOUT_SECONDS + 1.0
# Beside the time for calls: to see that the end is wanted, to close what is open.
END_MARGIN_SECONDS = 5.0
STEADY_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class WorkerProcess:
    """One number, and the process that has it now."""

    def __init__(self, number: int, arguments: Sequence[str], marks: HighWaterMarks) -> None:
        self.number = number
        self._arguments, self._starts = arguments, 0
        self._marks = marks
        self._link = SupervisorEnd(marks)
        self._process: subprocess.Popen[bytes] | None = None
        self._serving_since: float | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and not self._link.gone.is_set()

    @property
    def serving(self) -> bool:
        """Whether it has opened its ports and runs."""
        return self.alive and self._link.serving.is_set()

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it could not start, if it said so."""
        return self._link.problems

    @property
    def replacements(self) -> int:
        """How many have had the number after the first."""
        return max(0, self._starts - 1)

    def start(self) -> None:
        """A process has the number. Raises OSError."""
        link = SupervisorEnd(self._marks)
        descriptor = link.workers_descriptor
        own = (WORKER, str(self.number), str(descriptor), *self._arguments)
        try:
            self._process = subprocess.Popen(  # noqa: S603  # this program once more
                (sys.executable, *sys.orig_argv[1:], *own),
                stdin=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                # A Ctrl-C at the terminal is the supervisor's.
                start_new_session=True,
            )
        except OSError:
            link.close()
            raise
        self._link.close()
        self._link, self._serving_since = link, None
        self._starts += 1
        link.open()
        _log.info("worker started", worker_number=self.number, worker_pid=self._process.pid)

    async def serves(self) -> bool:
        """True once it does; False once it has ended without."""
        waits = [asyncio.ensure_future(e.wait()) for e in (self._link.serving, self._link.gone)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._link.serving.is_set():
            self._serving_since = asyncio.get_running_loop().time()
        return self.serving

    async def ended(self) -> int:
        """The exit code, once there is one; minus the signal's number if one ended it."""
        await self._link.gone.wait()
        if self._process is None:
            raise RuntimeError("a worker that was never started does not end")
        # The kernel closes a process's sockets just before its parent may ask for its code.
        return await asyncio.to_thread(self._process.wait)

    def steady(self) -> bool:
        """Whether it has served long enough to count as a new beginning when it ends."""
        now = asyncio.get_running_loop().time()
        return self._serving_since is not None and now - self._serving_since >= STEADY_SECONDS

    async def ask(self, question: str) -> object:
        """The answer; None if it does not answer."""
        return await self._link.ask(question, seconds=ANSWER_SECONDS)

    def tell(self, marks: Mapping[str, int]) -> None:
        """It knows these marks, if it runs."""
        if self.alive:
            self._link.tell(marks)

    def ask_to_end(self) -> None:
        """It drains."""
        self._link.ask_to_end()

    def kill(self) -> None:
        """It has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._link.close()
