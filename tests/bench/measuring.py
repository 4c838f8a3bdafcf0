"""What a tool is asked to send, and what it measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chassis.sensitive import Sensitive

MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Calls of one method, `in_flight` at a time over one connection, for some seconds.

    `config` is the ghz configuration that says the same; `messages` are serialised requests,
    drawn at random, for tools that take no templates. With a `rate`, so many calls a second are
    begun and no more.
    """

    config: str
    target: str
    method: str
    token: Sensitive[str]
    messages: Sequence[bytes]
    in_flight: int
    seconds: float
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was sent and how long the answers took; statuses are read at the server."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds


class Driver(Protocol):
    """A tool that makes load."""

    @property
    def said(self) -> str:
        """Which tool it is, in one line."""
        ...

    async def run(self, load: Load) -> Measurement:
        """All calls have been sent and answered. Raises DriverError."""
        ...


class DriverError(Exception):
    """The tool did not do what it was asked; the text is its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a driver finds the CA and keeps files that only its user may read."""

    ca: Path
    folder: Path


def measured(began: float, ended: float, latencies: Sequence[float]) -> Measurement:
    """From single latencies, in seconds. Raises DriverError if there are none."""
    if not latencies:
        raise DriverError("no call was answered")
    ordered = sorted(latencies)
    return Measurement(
        requests=len(ordered),
        seconds=max(ended - began, 1e-9),
        p50_ms=percentile(ordered, 50) * MILLISECONDS,
        p99_ms=percentile(ordered, 99) * MILLISECONDS,
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the ascending numbers that so many percent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
