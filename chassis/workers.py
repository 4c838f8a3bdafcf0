"""Several processes of one program on the same ports, and the light one that keeps them going.

- The supervisor answers no call. It holds the ports, starts the workers, replaces those that
  end, shows the vitals of all at one operators' port, and passes the end on.
- A worker is the same program with more arguments: `… worker NUMBER DESCRIPTOR NAME=PORT …`.
  Its number is what tells it from the others; a replacement has the number of its predecessor.
- The supervisor's end, however it comes, is that of its workers: they see the link close.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from chassis import merged_metrics
from chassis.config import StartHinderedError, StartRefusedError
from chassis.high_water import HighWaterMarks
from chassis.operations import OperationsPort
from chassis.readiness import DRAINING
from chassis.ready import announce
from chassis.shared_ports import held_ports
from chassis.usable_cpus import usable_cpus
from chassis.worker_link import FAILING, METRICS
from chassis.worker_process import END_MARGIN_SECONDS, WorkerProcess

# A process of its own for each of more processors would hold more connections to the database
# than one takes unless told.
MOST_UNASKED = 8
LONGEST_PAUSE_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class WorkerEndedError(Exception):
    """A worker ended when it should not have, or otherwise than it should have."""


def worker_count(wanted: int) -> int:
    """So many; for 0 as many as there are usable processors, up to MOST_UNASKED."""
    return wanted or min(usable_cpus(), MOST_UNASKED)


def pause_before_replacing(quick_ends: int) -> float:
    """Seconds. `quick_ends` counts those in a row that came soon after the start."""
    if quick_ends <= 1:
        return 0.0
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** min(quick_ends - 2, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How many, where they serve, and how long calls may take at the end."""

    count: int
    host: str
    ports: Mapping[str, int]  # by name, shared by all; 0 picks a free one
    operations_port: int
    settings: Mapping[str, str]  # by the ports' names, `operations` too: where each was given
    ready_file: Path | None
    drain_seconds: float


async def supervise(workers: Workers, stopping: asyncio.Event) -> None:
    """Until `stopping` is set so many workers serve; then they have drained and ended.

    Raises StartRefusedError when the first of them cannot start for a reason they name, or a
    port cannot be had; WorkerEndedError.
    """
    with held_ports(workers.host, workers.ports, workers.settings) as ports:
        crew = _Crew(workers, ports)
        setting = workers.settings["operations"]
        operations = OperationsPort(
            workers.host, workers.operations_port, crew, setting=setting
        )
        try:
            numbers = {**ports, "operations": await operations.start()}
            if await crew.start(stopping):
                announce(numbers, workers.ready_file)
                await crew.replace_the_ended(stopping)
            await crew.drain()
        finally:
            crew.kill()
            await operations.stop()


class _Crew:
    """All workers; what the operators' port shows of them."""

    def __init__(self, workers: Workers, ports: Mapping[str, int]) -> None:
        arguments = [f"{name}={number}" for name, number in ports.items()]
        marks = HighWaterMarks()
        self._workers = [
            WorkerProcess(number, arguments, marks) for number in range(workers.count)
        ]
        marks.listen(self._tell_all)
        self._end_seconds = workers.drain_seconds + END_MARGIN_SECONDS
        self._draining = False
        self._refusals: Counter[str] = Counter()

    def _tell_all(self, marks: Mapping[str, int]) -> None:
        """What one of them has seen, every one knows."""
        for worker in self._workers:
            worker.tell(marks)

    async def start(self, stopping: asyncio.Event) -> bool:
        """Every worker serves; False if the end came first.

        Raises StartRefusedError, WorkerEndedError, as the first that ends says.
        """
        starting = asyncio.create_task(self._start_all())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
        finally:
            starting.cancel()
            stop.cancel()
            await asyncio.gather(starting, stop, return_exceptions=True)
        return not stopping.is_set()

    async def _start_all(self) -> None:
        """One first: it serves sooner alone, and finds what would refuse them all."""
        first, *others = self._workers
        await self._start_first(first)
        await asyncio.gather(*(self._start_first(worker) for worker in others))

    async def _start_first(self, worker: WorkerProcess) -> None:
        worker.start()
        if not await worker.serves():
            code = await worker.ended()
            if worker.problems:
                hindered = code == StartHinderedError.exit_code
                made = StartHinderedError if hindered else StartRefusedError
                raise made(worker.problems)
            raise WorkerEndedError(f"worker {worker.number} ended with {code} at its start")

    async def replace_the_ended(self, stopping: asyncio.Event) -> None:
        """Returns once `stopping` is set."""
        stop = asyncio.create_task(stopping.wait())
        watches = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
        done, _ = await asyncio.wait((stop, *watches), return_when=asyncio.FIRST_COMPLETED)
        for task in (stop, *watches):
            task.cancel()
        await asyncio.gather(stop, *watches, return_exceptions=True)
        for task in done:
            task.result()  # a watch that ends has failed

    async def _keep(self, worker: WorkerProcess) -> None:
        quick_ends = 0
        while True:
            code = await worker.ended()
            quick_ends = 1 if worker.steady() else quick_ends + 1
            pause = pause_before_replacing(quick_ends)
            _log.warning(
                "worker ended",
                worker_number=worker.number,
                exit_code=code,
                problems=list(worker.problems),
                pause_seconds=pause,
            )
            while not await self._replaced(worker, pause):
                pause = LONGEST_PAUSE_SECONDS
            if await worker.serves():
                _log.info("worker replaced", worker_number=worker.number)

    async def _replaced(self, worker: WorkerProcess, pause_seconds: float) -> bool:
        await asyncio.sleep(pause_seconds)
        try:
            worker.start()
        except OSError as error:  # no memory, no process
            _log.error("worker not started", reason=type(error).__name__)
            return False
        return True

    async def drain(self) -> None:
        """All have ended. Raises WorkerEndedError unless each ended its calls and itself."""
        self._draining = True
        living = [worker for worker in self._workers if worker.alive]
        for worker in living:
            worker.ask_to_end()
        ends = {asyncio.create_task(worker.ended()): worker.number for worker in living}
        if ends:
            await asyncio.wait(ends, timeout=self._end_seconds)
        late = [number for end, number in ends.items() if not end.done()]
        failed = [number for end, number in ends.items() if end.done() and end.result() != 0]
        for end in ends:
            end.cancel()
        if late or failed:
            _log.error("workers did not drain", late=late, failed=failed)
            raise WorkerEndedError("not every worker drained")

    def kill(self) -> None:
        """None is left."""
        for worker in self._workers:
            worker.kill()

    async def metrics(self) -> bytes:
        """See Vitals. A worker that does not answer is missing."""
        serving = [worker for worker in self._workers if worker.serving]
        texts = await asyncio.gather(*(worker.ask(METRICS) for worker in serving))
        answered = {
            worker.number: text
            for worker, text in zip(serving, texts, strict=True)
            if isinstance(text, str)
        }
        counts = merged_metrics.WorkerCounts(
            alive=sum(worker.alive for worker in self._workers),
            restarts=[worker.replacements for worker in self._workers],
            refusals=self._refusals,
        )
        own = merged_metrics.exposition(counts)
        return merged_metrics.merged(answered, own).encode()

    def refused(self, reason: str) -> None:
        """See Vitals."""
        self._refusals[reason] += 1

    async def failing(self) -> list[str]:
        """See Vitals: what any serving worker says, and that none serves.

        A worker that is being started or drains takes no connection: it has no say.
        """
        if self._draining:
            return [DRAINING]
        serving = [worker for worker in self._workers if worker.serving]
        answers = await asyncio.gather(*(worker.ask(FAILING) for worker in serving))
        said = {
            worker.number: _said(answer)
            for worker, answer in zip(serving, answers, strict=True)
            if worker.serving and answer != [DRAINING]
        }
        if not said:
            return ["no worker serves"]
        return [f"worker {number}: {what}" for number, found in said.items() for what in found]


def _said(answer: object) -> list[str]:
    return [str(name) for name in answer] if isinstance(answer, list) else ["does not answer"]
