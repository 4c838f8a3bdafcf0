"""A load and what the servers counted meanwhile: no figure without what went wrong."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.measuring import MILLISECONDS, Driver, Load, Measurement
from tests.bench.statuses import Counts


@dataclass(frozen=True, slots=True)
class Part:
    """One of the loads that run together; `names` is how many values each call is to answer."""

    load: Load
    names: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run showed; CPU time of the services is for one call of any of its loads."""

    measurement: Measurement
    not_ok: int = 0
    cpu_ms: float = 0


async def counted(
    driver: Driver, operations: Sequence[str], parts: Sequence[Part]
) -> list[Sample]:
    """Runs the loads at once, against servers that count at the `operations` URLs."""
    before = await Counts.read(operations)
    found = await asyncio.gather(*(driver.run(part.load) for part in parts))
    grown = (await Counts.read(operations)).since(before)
    # Not by what the tools report: they may have tried the server out before they measured.
    served = sum(grown.served(part.load.method) for part in parts)
    cpu_ms = grown.cpu_seconds * MILLISECONDS / max(1, served)
    return [
        Sample(measurement, not_ok(part, measurement.requests, grown), cpu_ms)
        for part, measurement in zip(parts, found, strict=True)
    ]


def not_ok(part: Part, requests: int, grown: Counts) -> int:
    """Calls without an OK, and names without a value.

    Whoever else calls the server meanwhile makes the counters grow further, never less.
    """
    method, names = part.load.method, part.names
    unanswered = max(0, requests - grown.served(method))
    names_missing = max(0, requests * names - grown.granted) if names else 0
    refused = grown.not_granted if names else 0
    return grown.not_ok(method) + unanswered + max(names_missing, refused)
