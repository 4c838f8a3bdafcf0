"""The benchmarks read tools and servers correctly: a figure misread looks like any other."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from chassis.sensitive import Sensitive
from splitkeep.local.state import no_stack
from tests.bench import __main__ as command
from tests.bench.bench import paced
from tests.bench.counting import Part, Sample, not_ok
from tests.bench.drivers import ghz, h2load
from tests.bench.drivers.asyncio_client import starts
from tests.bench.measuring import DriverError, Load, Measurement, measured, percentile
from tests.bench.report import table
from tests.bench.requests import DECRYPT, decrypt_messages, write_messages
from tests.bench.rounds import Rounds, in_turn, speed
from tests.bench.seed import WRITTEN, secret_names
from tests.bench.statuses import Counts
from tests.bench.tables import FULL, QUICK
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


def a_load(*, names: int = 1, in_flight: int = 8, connections: int = 1) -> Load:
    return Load(
        target="127.0.0.1:1",
        method=DECRYPT,
        token=Sensitive("a token"),
        messages=decrypt_messages(secret_names(20), names),
        in_flight=in_flight,
        seconds=1,
        connections=connections,
    )


def a_sample(requests: int, *, wrong: int = 0) -> Sample:
    return Sample(Measurement(requests=requests, seconds=1, p50_ms=1, p99_ms=2), wrong)


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


def test_ghz_and_h2load_send_the_same_messages(tmp_path: Path) -> None:
    load = replace(a_load(), messages=a_load().messages[:1])

    ghz.arguments(load, tmp_path / "ca.pem", tmp_path)
    h2load.arguments(load, 0, tmp_path)

    (message,) = json.loads((tmp_path / "messages.json").read_text())
    (name,) = message["names"]
    assert message == {"namespace": NAMESPACE, "names": [name]}
    assert name.encode() in (tmp_path / "body-0").read_bytes()


def test_ghz_is_told_the_file_of_the_service_and_no_token(tmp_path: Path) -> None:
    flags = ghz.arguments(a_load(connections=4), tmp_path / "ca.pem", tmp_path)

    files = FileDescriptorSet.FromString((tmp_path / "protoset").read_bytes())
    assert f"--protoset={tmp_path / 'protoset'}" in flags
    assert files.file[-1].service[0].name == "SecureValueDecrypter"
    assert {"--connections=4", "--concurrency=8"} <= set(flags)
    assert not any("a token" in flag for flag in flags)


@pytest.mark.parametrize(("in_flight", "streams"), [(8, [3, 3, 2]), (3, [1, 1, 1])])
def test_h2load_shares_what_is_in_flight_among_its_connections(
    in_flight: int, streams: list[int], tmp_path: Path
) -> None:
    load = a_load(in_flight=in_flight, connections=3)

    given = [h2load.arguments(load, number, tmp_path) for number in range(3)]

    expected = [f"--max-concurrent-streams={count}" for count in streams]
    assert [flag for flags in given for flag in flags if "streams" in flag] == expected


def test_h2load_shares_paced_calls_among_its_connections(tmp_path: Path) -> None:
    load = replace(a_load(connections=2), rate=5.0)

    given = [set(h2load.arguments(load, number, tmp_path)) for number in range(2)]

    assert given[0] >= {"--requests=3", "--rps=2.5"}
    assert given[1] >= {"--requests=2", "--rps=2.5"}


@pytest.mark.parametrize(("rate", "connections"), [(50, 1), (450, 5), (10_000, 8)])
def test_a_rate_is_spread_on_as_many_connections_as_it_takes(
    rate: float, connections: int
) -> None:
    assert paced(rate) == connections


@pytest.mark.parametrize("name", ["single", "mixed-decrypt", "mixed-write", "batch"])
def test_the_configurations_for_ghz_draw_from_the_names_that_are_seeded(name: str) -> None:
    file = ghz.ROOT / "tests" / "bench" / "ghz" / f"{name}.json"

    said = json.loads(file.read_text())

    drawn = f"load-{{{{randomInt 0 {FULL.secrets}}}}}"
    written = f"load-write-{{{{randomInt 0 {WRITTEN}}}}}"
    expected = {"single": drawn, "mixed-decrypt": drawn, "mixed-write": written, "batch": ""}
    assert expected[name] in json.dumps(said.get("data", ""))
    assert NAMESPACE in json.dumps(said.get("data", NAMESPACE))


def test_what_is_written_is_not_what_is_decrypted() -> None:
    written = {message.draft.name for message in write_messages()}

    assert written.isdisjoint(secret_names(FULL.secrets))


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
    assert not_ok(Part(a_load(), names=2), 10, counts) == expected


def test_a_call_that_the_tool_cut_off_is_no_error_of_the_server() -> None:
    counts = Counts(Counter({(DECRYPT, "OK"): 10, (DECRYPT, "CANCELLED"): 8}), Counter())

    assert not_ok(Part(a_load()), 10, counts) == 0


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    speeds = [(100, 50), (1000, 100), (200, 60)]
    rounds = Rounds([{"control": a_sample(c), "single": a_sample(s)} for c, s in speeds])

    assert rounds.ratio("single", "control") == 0.3
    assert rounds.median("single", speed) == 60


def test_what_went_wrong_in_any_round_is_counted() -> None:
    rounds = Rounds(
        [{"a": a_sample(1, wrong=2), "b": a_sample(1)}, {"a": a_sample(1, wrong=1)}]
    )

    assert rounds.not_ok("a") == 3


async def test_every_other_round_runs_its_cases_the_other_way_round() -> None:
    order: list[str] = []

    def case(name: str) -> Any:
        async def run(_seconds: float) -> dict[str, Sample]:
            order.append(name)
            return {name: a_sample(1)}

        return run

    await in_turn(replace(QUICK, rounds=2), [case("a"), case("b")])

    assert order == ["a", "b", "b", "a"]


def test_a_table_is_aligned() -> None:
    assert table([("case", "n"), ("x", "10")]) == "case   n\nx     10"


def test_a_paced_client_begins_calls_at_its_rate() -> None:
    moments = starts(5.0, 4)

    assert [next(moments) for _ in range(3)] == [5.0, 5.25, 5.5]


def test_where_no_stack_runs_the_command_says_so_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--state", str(tmp_path)])

    assert no_stack(tmp_path) in capsys.readouterr().err


def test_a_quick_run_is_not_published(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--quick", "--publish"])

    assert "not published" in capsys.readouterr().err
