"""The load scripts read tools and servers correctly: a figure misread looks like any other."""

import json
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from splitkeep.local.state import no_stack
from tests.bench import load, pages
from tests.bench.cases import DECRYPT, Case, Sample, wrong
from tests.bench.drivers import ghz, h2load
from tests.bench.drivers.asyncio_client import starts
from tests.bench.measuring import DriverError, Measurement, measured, percentile
from tests.bench.report import rows, table
from tests.bench.seed import SECRETS, WRITTEN, random_batches
from tests.bench.statuses import Counts
from tests.bench.under_test import NAMESPACE

EXPOSITION = """\
# TYPE grpc_server_calls_total counter
grpc_server_calls_total{code="OK",method="DecryptSecureValues",service="decryptv1beta1.SecureValueDecrypter"} 7.0
grpc_server_calls_total{code="UNAVAILABLE",method="DecryptSecureValues",service="decryptv1beta1.SecureValueDecrypter"} 2.0
grpc_server_calls_total{code="OK",method="Check",service="grpc.health.v1.Health"} 5.0
# TYPE vault_decrypt_decisions_total counter
vault_decrypt_decisions_total{answer="granted"} 70.0
vault_decrypt_decisions_total{answer="not_found"} 3.0
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.5
"""  # noqa: E501  # lines as Prometheus has them
NO_COUNTS = Counts(Counter(), Counter())


def grown(*, ok: int = 0, refused: int = 0, granted: int = 0, missing: int = 0) -> Counts:
    return Counts(
        Counter({(DECRYPT, "OK"): ok, (DECRYPT, "UNAUTHENTICATED"): refused}),
        Counter({"granted": granted, "not_found": missing}),
    )


def sample(label: str, speed: float, *, in_flight: int = 8, names: int = 1) -> Sample:
    measurement = Measurement(requests=round(speed), seconds=1, p50_ms=1, p99_ms=2)
    return Sample(Case(label, in_flight, names), measurement, wrong=0)


def test_a_percentile_is_the_smallest_latency_that_so_many_do_not_exceed() -> None:
    hundred = [float(number) for number in range(1, 101)]

    assert [percentile(hundred, 50), percentile(hundred, 99)] == [50.0, 99.0]
    assert percentile([3.0], 99) == 3.0


def test_a_run_without_answers_is_an_error() -> None:
    with pytest.raises(DriverError):
        measured(0, 1, [])


def test_h2load_is_given_a_grpc_body() -> None:
    assert h2load.framed(b"abc") == b"\x00\x00\x00\x00\x03abc"


def test_h2loads_log_gives_speed_and_percentiles() -> None:
    log = b"1000000\t200\t1000\n1001000\t200\t3000\n1500000\t200\t500000\n"

    found = h2load.parse_log(log)

    assert (found.requests, found.seconds) == (3, 1.0)
    assert (found.p50_ms, found.p99_ms) == (3.0, 500.0)


@pytest.mark.parametrize("log", [b"1000000\t-1\t1000\n", b""], ids=["failed", "empty"])
def test_h2load_runs_that_did_not_work_are_errors(log: bytes) -> None:
    with pytest.raises(DriverError):
        h2load.parse_log(log)


def test_ghzs_report_gives_speed_and_percentiles() -> None:
    distribution = [
        {"percentage": 50, "latency": 2_000_000},
        {"percentage": 99, "latency": 1e7},
    ]
    report = {"count": 30, "total": 1_500_000_000, "latencyDistribution": distribution}

    found = ghz.parse(json.dumps(report).encode())

    assert (found.requests_per_second, found.p50_ms, found.p99_ms) == (20, 2, 10)


def test_a_ghz_run_without_a_success_is_an_error() -> None:
    report = {"latencyDistribution": None, "errorDistribution": {"Unavailable": 3}}

    with pytest.raises(DriverError, match="Unavailable"):
        ghz.parse(json.dumps(report).encode())


@pytest.mark.parametrize("name", ["single", "mixed-decrypt", "mixed-write", "batch"])
def test_ghz_draws_from_the_names_that_are_seeded(name: str) -> None:
    configuration = json.loads((ghz.CONFIGURATIONS / f"{name}.json").read_text())

    drawn = json.dumps(configuration.get("data", random_batches(3)[0]))

    expected = {
        "single": f"load-{{{{randomInt 0 {SECRETS}}}}}",
        "mixed-decrypt": f"load-{{{{randomInt 0 {SECRETS}}}}}",
        "mixed-write": f"load-write-{{{{randomInt 0 {WRITTEN}}}}}",
        "batch": '"load-',
    }
    assert expected[name] in drawn
    assert f'"namespace": "{NAMESPACE}"' in drawn


def test_statuses_and_decisions_are_read_from_the_servers_counters() -> None:
    counts = Counts.parse(EXPOSITION).since(NO_COUNTS)

    assert (counts.served(DECRYPT), counts.not_ok(DECRYPT)) == (9, 2)
    assert (counts.granted, counts.not_granted) == (70, 3)
    assert counts.plus(counts).cpu_seconds == 3


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (grown(ok=10, granted=20), 0),
        (grown(ok=12, granted=24), 0),
        (grown(ok=9, refused=1, granted=18), 3),
        (grown(ok=9, granted=20), 1),
        (grown(ok=10, granted=19, missing=1), 1),
    ],
    ids=["as sent", "others call too", "refused", "never arrived", "without a value"],
)
def test_calls_and_names_that_went_wrong_are_counted(counts: Counts, expected: int) -> None:
    assert wrong(Case("single", 8, 2), DECRYPT, 10, counts) == expected


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    rounds = [
        [sample("control", 100, names=0), sample("single", 50)],
        [sample("control", 1000, names=0), sample("single", 100)],
        [sample("control", 200, names=0), sample("single", 60)],
    ]

    control, single = rows(rounds)

    assert (control.to_control, single.to_control) == (1.0, 0.3)


def test_secrets_are_counted_by_names_and_not_by_calls() -> None:
    (row,) = rows([[sample("batch", 7, names=100)]])

    assert (row.secrets_per_second, row.to_control) == (700, None)


def test_a_table_is_aligned() -> None:
    assert table([("case", "n"), ("x", "10")]) == "case   n\nx     10"


def test_a_paced_client_begins_calls_at_its_rate() -> None:
    moments = starts(5.0, 4)

    assert [next(moments) for _ in range(3)] == [5.0, 5.25, 5.5]


@pytest.mark.parametrize("script", [load, pages], ids=["load", "pages"])
def test_where_no_stack_runs_the_script_says_so_in_words(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        script.main(["--state", str(tmp_path)])

    assert no_stack(tmp_path) in capsys.readouterr().err
