"""A step done again and again in the background until the process stops."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from chassis.redaction import describe_exception

FIRST_BACK_OFF_SECONDS = 1.0

_log = structlog.get_logger(__name__)


async def run_every(
    step: Callable[[], Awaitable[None]],
    *,
    interval_seconds: float,
    stopping: asyncio.Event,
    name: str,
    jitter: float = 0.1,
) -> None:
    """Returns once `stopping` is set, in the middle of a pause at once, never within a step.

    The pause between steps is the interval, more or less the fraction `jitter`, so that
    replicas do not march in step. A failing step is logged and retried after one second, two,
    four …, at most the interval.
    """
    failures = 0
    while not stopping.is_set():
        try:
            await step()
            failures = 0
        except Exception as error:  # noqa: BLE001  # the loop outlives every step
            failures += 1
            _log.warning(
                "step failed",
                worker=name,
                failures=failures,
                failure=describe_exception(error),
            )
        spread = random.uniform(1 - jitter, 1 + jitter)  # noqa: S311  # jitter, not a secret
        await _pause(_wait(interval_seconds, failures) * spread, stopping)


def _wait(interval_seconds: float, failures: int) -> float:
    if failures == 0:
        return interval_seconds
    return min(interval_seconds, FIRST_BACK_OFF_SECONDS * 2.0 ** min(failures - 1, 20))


async def _pause(seconds: float, stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
