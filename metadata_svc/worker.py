"""What metadata_svc does unasked: it forgets what is too old."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from chassis.worker import run_every
from metadata_svc.use_cases.trim import TrimHistory, TrimOutcomes


async def trim_until_stopped(
    history: TrimHistory,
    outcomes: TrimOutcomes,
    *,
    interval_seconds: float,
    stopping: asyncio.Event,
) -> None:
    """Returns once `stopping` is set; until then what is old goes at every interval.

    Neither waits for the other, or fails with it.
    """

    async def until_stopped(what: str, trim: Callable[[], Awaitable[int]]) -> None:
        async def step() -> None:
            trimmed = await trim()
            if trimmed:
                structlog.get_logger(__name__).info("trimmed", what=what, count=trimmed)

        await run_every(
            step, interval_seconds=interval_seconds, stopping=stopping, name=f"trim {what}"
        )

    await asyncio.gather(
        until_stopped("history", history.trim), until_stopped("outcomes", outcomes.trim)
    )
