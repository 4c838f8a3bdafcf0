"""What metadata_svc does unasked: it forgets history that is too old."""

import asyncio

import structlog

from chassis.worker import run_every
from metadata_svc.use_cases.history import TrimHistory


async def trim_until_stopped(
    trim: TrimHistory, *, interval_seconds: float, stopping: asyncio.Event
) -> None:
    """Returns once `stopping` is set; until then old history goes at every interval."""

    async def step() -> None:
        trimmed = await trim.trim()
        if trimmed:
            structlog.get_logger(__name__).info("history trimmed", changes=trimmed)

    await run_every(
        step, interval_seconds=interval_seconds, stopping=stopping, name="trim history"
    )
