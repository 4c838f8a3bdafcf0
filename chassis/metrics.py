"""Metrics of one process, in a registry of its own.

A service makes its metrics through `counter`, `gauge` and `histogram`, so that the catalogue
knows their labels. No label ever holds what a caller may choose freely.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from chassis.certificates import Certificates
from chassis.merged_metrics import REFUSALS
from chassis.port_connections import PortConnections

F = TypeVar("F", CounterMetricFamily, HistogramMetricFamily)

CALL_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """One metric, as docs/metrics.md lists it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


class CallFigures:
    """What is known of the calls of one method.

    Plain numbers, written by one event loop and read by it: a counter of the library's own
    takes a lock each time, and a histogram of it several.
    """

    __slots__ = ("buckets", "codes", "seconds")

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.buckets = [0] * (len(CALL_SECONDS_BUCKETS) + 1)
        self.seconds = 0.0

    def ended(self, code: str) -> None:
        """One more call has ended with the code."""
        self.codes[code] = self.codes.get(code, 0) + 1

    def took(self, seconds: float) -> None:
        """One more call has taken so long."""
        self.buckets[bisect_left(CALL_SECONDS_BUCKETS, seconds)] += 1
        self.seconds += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """How many calls took no longer than each bound, as Prometheus wants it."""
        bounds = [*map(floatToGoString, CALL_SECONDS_BUCKETS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.buckets)), strict=True))


class Calls(Collector):
    """The figures of every method of every server in this process."""

    COUNT = ("grpc_server_calls", "Calls answered, by code.", ("service", "method", "code"))
    SECONDS = (
        "grpc_server_call_seconds",
        "Time from a call's arrival to its answer.",
        ("service", "method"),
    )

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], CallFigures] = {}

    def of(self, service: str, method: str) -> CallFigures:
        """The method's figures; the same ones each time."""
        return self._figures.setdefault((service, method), CallFigures())

    def describe(self) -> Iterator[Metric]:
        """Which names are taken; the registry asks before there is a figure."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        count = _family(CounterMetricFamily, *self.COUNT)
        seconds = _family(HistogramMetricFamily, *self.SECONDS)
        for labels, figures in self._figures.items():
            for code, number in figures.codes.items():
                count.add_metric((*labels, code), number)
            if any(figures.buckets):
                seconds.add_metric(labels, figures.cumulative(), figures.seconds)
        yield count
        yield seconds


class Metrics:
    """The registry, and the metrics that every gRPC process has."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._labels: dict[str, tuple[str, ...]] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.calls = Calls()
        self.registry.register(self.calls)
        self.certificates = Certificates()
        self.registry.register(self.certificates)
        self.connections = PortConnections()
        self.registry.register(self.connections)
        for name, _, labels in (
            *(Calls.COUNT, Calls.SECONDS, Certificates.NOT_AFTER),
            *(PortConnections.CONNECTIONS, PortConnections.LIMIT),
        ):
            self._labels[name] = labels
        self.calls_now = 0
        in_flight = self.gauge(
            "grpc_server_calls_in_flight", "Calls that are served or wait for it.", ()
        )
        in_flight.set_function(lambda: self.calls_now)
        self.calls_waiting = 0
        waiting = self.gauge(
            "grpc_server_calls_waiting", "Calls that wait until they are served.", ()
        )
        waiting.set_function(lambda: self.calls_waiting)
        self.streams_now = 0
        streams = self.gauge("grpc_server_streams_open", "Open-ended streams being served.", ())
        streams.set_function(lambda: self.streams_now)
        self._refused = self.counter(
            "port_refusals",
            REFUSALS[3],
            REFUSALS[2],
        )

    def refused(self, port: str, reason: str) -> None:
        """One more was refused at the port, for a reason out of a fixed set."""
        self._refused.labels(port, reason).inc()

    def counter(self, name: str, help_text: str, labels: Sequence[str]) -> Counter:
        """A counter; Prometheus adds `_total` to its name."""
        self._labels[name] = tuple(labels)
        return Counter(name, help_text, labels, registry=self.registry)

    def gauge(self, name: str, help_text: str, labels: Sequence[str]) -> Gauge:
        """A value that goes up and down."""
        self._labels[name] = tuple(labels)
        return Gauge(name, help_text, labels, registry=self.registry)

    def histogram(
        self, name: str, help_text: str, labels: Sequence[str], *, buckets: Sequence[float]
    ) -> Histogram:
        """A distribution over the buckets; in seconds or bytes, as its name says."""
        self._labels[name] = tuple(labels)
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)

    def catalogue(self) -> list[MetricDescription]:
        """Every metric of the process, by name."""
        described = [
            MetricDescription(
                name=family.name + ("_total" if family.type == "counter" else ""),
                type=family.type,
                labels=self._labels.get(
                    family.name, tuple(sorted({k for s in family.samples for k in s.labels}))
                ),
                help=family.documentation,
            )
            for family in self.registry.collect()
        ]
        return sorted(described, key=lambda metric: metric.name)

    def exposition(self) -> bytes:
        """All values, in the Prometheus text format."""
        return generate_latest(self.registry)


def _family(kind: type[F], name: str, help_text: str, labels: tuple[str, ...]) -> F:
    family: F = kind(name, help_text, labels=labels)
    return family
