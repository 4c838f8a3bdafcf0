"""The sweep in the background: two ways often, the third slowly."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from chassis.metrics import Metrics
from chassis.worker import run_every
from vault_svc.use_cases.sweep import Sweep

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepIntervals:
    """Pauses between two runs, in seconds."""

    sweep_seconds: float
    full_seconds: float


class SweepMetrics:
    """What the sweep counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.erased = metrics.counter("vault_swept_values", "Values erased, by way.", ("way",))


class SweepWorker:
    """Runs each way of the sweep in a loop of its own, so that none waits for another."""

    def __init__(self, sweep: Sweep, intervals: SweepIntervals, metrics: Metrics) -> None:
        self._ways = {
            "released": (sweep.erase_released, intervals.sweep_seconds),
            "unclaimed": (sweep.refuse_unclaimed, intervals.sweep_seconds),
            "everything": (sweep.check_everything, intervals.full_seconds),
        }
        self._erased = SweepMetrics(metrics).erased

    async def run(self, stopping: asyncio.Event) -> None:
        """Returns once `stopping` is set and no step is under way."""
        async with asyncio.TaskGroup() as loops:
            for name, (way, seconds) in self._ways.items():
                loops.create_task(
                    run_every(
                        self._counted(name, way),
                        interval_seconds=seconds,
                        stopping=stopping,
                        name=f"sweep {name}",
                    )
                )

    def _counted(
        self, name: str, way: Callable[[], Awaitable[int]]
    ) -> Callable[[], Awaitable[None]]:
        async def step() -> None:
            erased = await way()
            self._erased.labels(name).inc(erased)
            if erased:
                _log.info("swept", way=name, erased_count=erased)

        return step
