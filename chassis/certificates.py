"""When the certificates in use end: a gauge, lines in the log, and readiness.

- Every certificate of every file in use has a gauge, those of a chain or a bundle by place.
- A certificate that ends within 30 days is a warning, one that has ended or does not count yet
  an error: at the start, when it is replaced, and again every day.
- A port whose own certificate is not valid is not ready: no client that verifies can use it.
  The authorities of a bundle do not count for that: a bundle may hold one that has ended beside
  its successor, and a peer that cannot be reached any more is named by its own check.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.clock import Clock
from chassis.errors import UnavailableError
from chassis.worker import run_every

SOON = timedelta(days=30)
TOLD_AGAIN_AFTER = timedelta(days=1)
LOOK_SECONDS = 60.0

_log = structlog.get_logger(__name__)

Read = Callable[[], Sequence[x509.Certificate]]
_Key = tuple[str, int]  # use and place


@dataclass(frozen=True, slots=True)
class _Used:
    file: Path
    read: Read


class Certificates(Collector):
    """Those that this process shows or trusts, by their use."""

    NOT_AFTER = (
        "tls_certificate_not_after_seconds",
        "When a certificate in use ends, in seconds since 1970.",
        ("use", "place"),
    )

    def __init__(self) -> None:
        self._used: dict[str, _Used] = {}
        self._told: dict[_Key, tuple[int, str, datetime]] = {}

    def add(self, use: str, file: Path, read: Read) -> None:
        """What `read` answers is in use from now on, read from the file."""
        self._used[use] = _Used(file, read)

    def describe(self) -> Iterator[Metric]:
        """Which name is taken."""
        yield _family()

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        family = _family()
        for (use, place), _, certificate in self._all():
            ends = certificate.not_valid_after_utc.timestamp()
            family.add_metric((use, str(place)), ends)
        yield family

    def check(self, use: str, clock: Clock) -> Callable[[], Awaitable[None]]:
        """A check of readiness: it raises UnavailableError unless the first is valid."""

        async def check() -> None:
            used = self._used.get(use)
            if used is not None and _fault(used.read()[0], clock.now()):
                raise UnavailableError("the certificate is not valid at present")

        return check

    async def watch(self, clock: Clock, stopping: asyncio.Event, *, told: bool = True) -> None:
        """Until `stopping` is set, what ends soon or is not valid is logged, if `told`."""
        if not told:
            await stopping.wait()
            return

        async def look() -> None:
            self.look(clock.now())

        await run_every(
            look, interval_seconds=LOOK_SECONDS, stopping=stopping, name="certificates"
        )

    def look(self, now: datetime) -> None:
        """What is to be told at this moment is logged."""
        for key, file, certificate in self._all():
            fault = _fault(certificate, now)
            event = fault or _soon(certificate, now)
            before = self._told.get(key)
            known = before is not None and before[:2] == (certificate.serial_number, event)
            if not event or (known and before and now - before[2] < TOLD_AGAIN_AFTER):
                continue
            self._told[key] = (certificate.serial_number, event, now)
            (_log.error if fault else _log.warning)(
                event,
                use=key[0],
                place=key[1],
                file=file,
                not_before=certificate.not_valid_before_utc.isoformat(),
                not_after=certificate.not_valid_after_utc.isoformat(),
            )

    def _all(self) -> Iterator[tuple[_Key, Path, x509.Certificate]]:
        for use, used in self._used.items():
            for place, certificate in enumerate(used.read()):
                yield (use, place), used.file, certificate


def _family() -> GaugeMetricFamily:
    name, text, labels = Certificates.NOT_AFTER
    return GaugeMetricFamily(name, text, labels=labels)


def _fault(certificate: x509.Certificate, now: datetime) -> str:
    if now > certificate.not_valid_after_utc:
        return "a certificate has expired"
    if now < certificate.not_valid_before_utc:
        return "a certificate is not yet valid"
    return ""


def _soon(certificate: x509.Certificate, now: datetime) -> str:
    ends_soon = certificate.not_valid_after_utc - now < SOON
    return "a certificate ends within 30 days" if ends_soon else ""
