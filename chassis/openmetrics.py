"""Metrics in the form that whoever asks takes: Prometheus' text, or OpenMetrics 1.0.

Workers' metrics are merged as Prometheus' text (chassis/merged_metrics.py), so OpenMetrics is
made of that text and not beside it.
"""

import re
from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"
_TEXT_RANGES = ("text/plain", "text/*", "*/*")
_WEIGHT = re.compile(r"[01](\.[0-9]*)?")
_CREATED = "_created"


def in_form(text: bytes, accepts: str) -> tuple[str, bytes]:
    """The content type, and `text` in the form that an `Accept` header asks for.

    Prometheus' own text, unless OpenMetrics is named and wanted at least as much.
    """
    if not _takes_openmetrics(accepts):
        return PROMETHEUS_TEXT, text
    body: bytes = generate_latest(_Families(text.decode()))  # type: ignore[no-untyped-call]  # of the library
    return CONTENT_TYPE_LATEST, body


def _takes_openmetrics(accepts: str) -> bool:
    """By the weights of RFC 9110 §12.4.2; the most specific range for a type counts."""
    weights: dict[str, float] = {}
    for taken in accepts.lower().split(","):
        name, *parameters = taken.split(";")
        weights[name.strip()] = max(weights.get(name.strip(), 0.0), _weight(parameters))
    text = next((weights[name] for name in _TEXT_RANGES if name in weights), 0.0)
    return weights.get(OPENMETRICS, 0.0) > 0 and weights[OPENMETRICS] >= text


def _weight(parameters: Iterable[str]) -> float:
    """1 where none is given, or none that is a weight."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q" and _WEIGHT.fullmatch(value.strip()):
            return float(value)
    return 1.0


class _Families(Collector):
    """What a text tells of.

    In Prometheus' text the moment that a counter was made is a metric of its own, whose name
    OpenMetrics keeps for the counter.
    """

    def __init__(self, text: str) -> None:
        self._families = list(text_string_to_metric_families(text))

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        names = {family.name for family in self._families}
        for family in self._families:
            base = family.name.removesuffix(_CREATED)
            if base == family.name or base not in names:
                yield family
