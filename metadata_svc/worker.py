"""What metadata_svc does unasked: it forgets what is too old, and looks for others' writes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from chassis.errors import UnavailableError
from chassis.telemetry import record
from chassis.worker import run_every

Trim = Callable[[], Awaitable[int]]


async def trim_until_stopped(
    trims: Mapping[str, Trim],
    *,
    interval_seconds: float,
    stopping: asyncio.Event,
) -> None:
    """Returns once `stopping` is set; until then what is old goes at every interval.

    None waits for another, or fails with it.
    """

    async def until_stopped(what: str, trim: Trim) -> None:
        async def step() -> None:
            trimmed = await trim()
            if trimmed:
                record("trimmed", what=what, count=trimmed)

        await run_every(
            step, interval_seconds=interval_seconds, stopping=stopping, name=f"trim {what}"
        )

    await asyncio.gather(*(until_stopped(what, trim) for what, trim in trims.items()))


async def poll_until_stopped(
    poll: Callable[[], Awaitable[None]], *, interval_seconds: float, stopping: asyncio.Event
) -> None:
    """Returns once `stopping` is set; until then watchers hear of other replicas' writes.

    While the database cannot be asked they wait; that it cannot is logged once.
    """
    failing = False

    async def step() -> None:
        nonlocal failing
        try:
            await poll()
            failing = False
        except UnavailableError:
            if not failing:
                structlog.get_logger(__name__).warning("watches hear of no writes for now")
            failing = True

    await run_every(step, interval_seconds=interval_seconds, stopping=stopping, name="poll")
