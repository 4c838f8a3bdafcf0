"""What metadata_svc does unasked: it forgets what is too old."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

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
                structlog.get_logger(__name__).info("trimmed", what=what, count=trimmed)

        await run_every(
            step, interval_seconds=interval_seconds, stopping=stopping, name=f"trim {what}"
        )

    await asyncio.gather(*(until_stopped(what, trim) for what, trim in trims.items()))
