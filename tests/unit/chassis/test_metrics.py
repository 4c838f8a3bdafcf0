"""The catalogue of metrics."""

import pytest

from chassis.metrics import Metrics


def test_every_metric_is_in_the_catalogue_with_its_labels() -> None:
    metrics = Metrics()
    metrics.counter("things_done", "Things.", ("kind",))

    described = {metric.name: metric for metric in metrics.catalogue()}

    assert described["things_done_total"].labels == ("kind",)
    assert described["grpc_server_calls_total"].labels == ("service", "method", "code")
    assert described["grpc_server_call_seconds"].type == "histogram"
    assert "process_open_fds" in described


def test_a_metric_made_in_the_registry_is_in_the_catalogue_too() -> None:
    from prometheus_client import Gauge  # noqa: PLC0415  # only here

    metrics = Metrics()
    Gauge("things_now", "Things.", registry=metrics.registry)

    assert "things_now" in {metric.name for metric in metrics.catalogue()}


def test_two_processes_in_one_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.calls.of("s", "m").ended("OK")

    assert b'code="OK"' not in second.exposition()


def test_a_name_is_taken_once() -> None:
    metrics = Metrics()

    with pytest.raises(ValueError, match="Duplicated"):
        metrics.counter("grpc_server_calls", "Again.", ())


def test_the_figures_of_calls_are_told_as_prometheus_wants_them() -> None:
    metrics = Metrics()
    figures = metrics.calls.of("s", "m")
    for seconds in (0.001, 0.003, 99):
        figures.ended("OK")
        figures.took(seconds)

    told = metrics.registry.get_sample_value
    rpc = {"service": "s", "method": "m"}
    assert told("grpc_server_calls_total", rpc | {"code": "OK"}) == 3
    assert told("grpc_server_call_seconds_count", rpc) == 3
    assert told("grpc_server_call_seconds_sum", rpc) == 99.004
    assert [
        told("grpc_server_call_seconds_bucket", rpc | {"le": bound})
        for bound in ("0.001", "0.0025", "0.005", "10.0", "+Inf")
    ] == [1, 1, 2, 2, 3]


def test_both_ends_of_one_method_write_the_same_figures() -> None:
    metrics = Metrics()

    assert metrics.calls.of("s", "m") is metrics.calls.of("s", "m")
