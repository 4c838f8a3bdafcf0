"""Metrics as OpenMetrics, read by the library's own strict parser."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from chassis.merged_metrics import WorkerCounts, exposition, merged
from chassis.metrics import Metrics
from chassis.openmetrics import PROMETHEUS_TEXT, in_form

PROMETHEUS_ASKS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def a_text(requests: int = 3) -> str:
    metrics = Metrics()
    metrics.counter("requests", "Requests.", ("route",)).labels('a"b').inc(requests)
    seconds = metrics.histogram("seconds", "Seconds.", (), buckets=(0.1, 1))
    seconds.observe(0.5)
    return metrics.exposition().decode()


def read(text: str) -> dict[str, float]:
    content_type, body = in_form(text.encode(), PROMETHEUS_ASKS)
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert body.endswith(b"# EOF\n")
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(body.decode())  # type: ignore[no-untyped-call]  # of the library
        for sample in family.samples
    }


def test_openmetrics_has_the_same_values() -> None:
    samples = read(a_text())

    assert samples["requests_total[('route', 'a\"b')]"] == 3
    assert samples["seconds_bucket[('le', '1.0')]"] == 1


def test_openmetrics_of_several_workers_tells_them_apart() -> None:
    counts = WorkerCounts(alive=2, restarts=[0, 1], refusals={})
    samples = read(merged({0: a_text(1), 1: a_text(2)}, exposition(counts)))

    assert samples["requests_total[('route', 'a\"b'), ('worker', '1')]"] == 2
    assert samples["worker_restarts_total[('worker', '1')]"] == 1


OPENMETRICS = "application/openmetrics-text"


@pytest.mark.parametrize(
    "accepts",
    [
        "",
        "*/*",
        "text/*",
        "text/plain",
        "application/json",
        f"{OPENMETRICS};q=0",
        f"{OPENMETRICS} ; q = 0.0",
        f"{OPENMETRICS};q=0.1,text/plain;q=0.9",
        f"{OPENMETRICS};q=0.1, text/*",
        f"text/plain;version=0.0.4, {OPENMETRICS};version=1.0.0;q=0.5, */*;q=0.1",
        "a" * 5_000,
    ],
)
def test_prometheus_text_is_for_who_does_not_ask_for_openmetrics_or_prefers_the_text(
    accepts: str,
) -> None:
    assert in_form(b"a 1\n", accepts) == (PROMETHEUS_TEXT, b"a 1\n")


@pytest.mark.parametrize(
    "accepts",
    [
        OPENMETRICS,
        f"{OPENMETRICS}, */*",
        f"text/plain;q=0.9, {OPENMETRICS}",
        f"text/plain, {OPENMETRICS}",
        f"{OPENMETRICS};version=0.0.1;q=0, {OPENMETRICS};version=1.0.0;q=0.5, text/plain;q=0.2",
        f"*/*;q=0.8, text/plain;q=0, {OPENMETRICS.upper()};q=0.4",
    ],
)
def test_openmetrics_is_for_who_names_it_and_does_not_prefer_the_text(accepts: str) -> None:
    content_type, _ = in_form(b"a 1\n", accepts)

    assert content_type.startswith(OPENMETRICS)
