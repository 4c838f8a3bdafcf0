"""What a tool is asked to send, and what it measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from google.protobuf.message import Message

from chassis.sensitive import Sensitive

MILLISECONDS = 1_000
# So many calls a second can be begun evenly on one connection.
PACED_PER_CONNECTION = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Calls of one gRPC method, `in_flight` at a time over some connections, for some seconds.

    `messages` are drawn at random, and are of the file that describes the method's service.
    With a `rate`, so many calls a second are begun at even intervals, whatever becomes of those
    before them, and `in_flight` only bounds them.
    """

    target: str
    method: str
    token: Sensitive[str]
    messages: Sequence[Message]
    in_flight: int
    seconds: float
    connections: int = 1
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
