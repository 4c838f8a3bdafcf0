"""The gateway's own metrics: requests by method, route template and status, never by name."""

from chassis.metrics import CALL_SECONDS_BUCKETS, Metrics

COUNTED_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One more request; `seconds` long. A client may not choose the labels."""
        method = method if method in COUNTED_METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
