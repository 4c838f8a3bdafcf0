"""The sweep in the background: every way in a loop of its own, one of them slowly."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from chassis.metrics import Metrics
from chassis.telemetry import record
from chassis.worker import run_every
from vault_svc.ports.values import ValueKey
from vault_svc.use_cases.sweep import Sweep

MAXIMUM_NAMESPACES_TOLD = 10

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepIntervals:
    """Pauses between two runs, in seconds."""

    sweep_seconds: float
    full_seconds: float


class SweepTelemetry:
    """What the sweep counts and tells."""

    def __init__(self, metrics: Metrics) -> None:
        self._scheduled = metrics.counter(
            "vault_swept_values", "Values given a time of erasure, by way.", ("way",)
        )
        self._erased = metrics.counter("vault_erased_values", "Values erased.", ())
        self._contradicted = metrics.counter(
            "vault_contradicted_values", "Values that metadata had claimed and now denies.", ()
        )

    def scheduled(self, way: str, count: int) -> None:
        """So many values were given a time of erasure."""
        self._scheduled.labels(way).inc(count)
        if count:
            record("values will be erased", way=way, scheduled_count=count)

    def erased(self, count: int) -> None:
        """So many values were erased."""
        self._erased.inc(count)
        if count:
            record("swept", erased_count=count)

    def contradicted(self, keys: Sequence[ValueKey]) -> None:
        """These were kept: metadata does not know any more that it had claimed them."""
        self._contradicted.inc(len(keys))
        namespaces = sorted({key.namespace for key in keys})
        _log.error(
            "metadata denies values that it had claimed; they are kept",
            kept_count=len(keys),
            namespaces=namespaces[:MAXIMUM_NAMESPACES_TOLD],
        )


class SweepWorker:
    """Runs each way of the sweep in a loop of its own, so that none waits for another."""

    def __init__(
        self, sweep: Sweep, intervals: SweepIntervals, telemetry: SweepTelemetry
    ) -> None:
        self._telemetry = telemetry
        self._loops = (
            ("released", self._scheduling("released", sweep.note_released), False),
            ("unclaimed", self._scheduling("unclaimed", sweep.refuse_unclaimed), False),
            ("everything", self._scheduling("everything", sweep.check_everything), True),
            ("due", self._erasing(sweep.erase_due), False),
        )
        self._intervals = intervals

    async def run(self, stopping: asyncio.Event) -> None:
        """Returns once `stopping` is set and no step is under way."""
        async with asyncio.TaskGroup() as loops:
            for name, step, slow in self._loops:
                seconds = (
                    self._intervals.full_seconds if slow else self._intervals.sweep_seconds
                )
                loops.create_task(
                    run_every(
                        step,
                        interval_seconds=seconds,
                        stopping=stopping,
                        name=f"sweep {name}",
                    )
                )

    def _scheduling(
        self, name: str, way: Callable[[], Awaitable[int]]
    ) -> Callable[[], Awaitable[None]]:
        async def step() -> None:
            self._telemetry.scheduled(name, await way())

        return step

    def _erasing(self, way: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[None]]:
        async def step() -> None:
            self._telemetry.erased(await way())

        return step
