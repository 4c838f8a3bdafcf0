"""Metrics of one process, in a registry of its own.

A service makes its metrics through `counter`, `gauge` and `histogram`, so that the catalogue
knows their labels. No label ever holds what a caller may choose freely.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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

CALL_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """One metric, as docs/metrics.md lists it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


class Metrics:
    """The registry, and the metrics that every gRPC process has."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._labels: dict[str, tuple[str, ...]] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.calls = self.counter(
            "grpc_server_calls", "Calls answered, by code.", ("service", "method", "code")
        )
        self.call_seconds = self.histogram(
            "grpc_server_call_seconds",
            "Time from a call's arrival to its answer.",
            ("service", "method"),
            buckets=CALL_SECONDS_BUCKETS,
        )
        self.calls_now = 0
        in_flight = self.gauge("grpc_server_calls_in_flight", "Calls being served.", ())
        in_flight.set_function(lambda: self.calls_now)
        self.streams_now = 0
        streams = self.gauge("grpc_server_streams_open", "Open-ended streams being served.", ())
        streams.set_function(lambda: self.streams_now)

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
