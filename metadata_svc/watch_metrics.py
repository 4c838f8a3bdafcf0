"""What watches do, counted. See use_cases.watch.WatchTelemetry."""

from chassis.metrics import Metrics
from metadata_svc.domain.event import EventType
from metadata_svc.domain.resource import Kind
from metadata_svc.use_cases.commits import Commits


class WatchMetrics:
    """How many watch now, and how many events they were sent."""

    def __init__(self, metrics: Metrics, commits: Commits) -> None:
        watchers = metrics.gauge("metadata_watchers", "Watches being served.", ())
        watchers.set_function(lambda: commits.watchers)
        self._events = metrics.counter(
            "metadata_watch_events", "Events sent to watchers.", ("kind", "type")
        )

    def event_sent(self, kind: Kind, event_type: EventType) -> None:
        """See WatchTelemetry."""
        self._events.labels(kind.value, event_type.value).inc()
