"""The gateway's own metrics: requests by method, route template and status, never by name."""

from contextlib import AbstractContextManager

from chassis.metrics import CALL_SECONDS_BUCKETS, Metrics

WATCH = "WATCH"
"""Counted as a method of its own: it is a GET that lasts as long as its client likes."""

COUNTED_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", WATCH})


class HttpMetrics:
    """Counts what the edge has answered."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.counter(
            "http_requests", "HTTP requests answered, by status.", ("method", "route", "status")
        )
        self._seconds = metrics.histogram(
            "http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route"),
            buckets=CALL_SECONDS_BUCKETS,
        )
        self._watches = metrics.gauge("http_watches", "Watches being served.", ("route",))

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One more request; `seconds` long. A client may not choose the labels."""
        method = method if method in COUNTED_METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        if method != WATCH:
            self._seconds.labels(method, route).observe(seconds)

    def watching(self, route: str) -> AbstractContextManager[object]:
        """Inside the block one more watch is being served."""
        return self._watches.labels(route).track_inprogress()
