"""The load on a peer and its table: failures are counted, and nothing is shown as faster."""

from pathlib import Path

import pytest

from chassis.sensitive import Sensitive
from tests.bench.counting import Sample
from tests.bench.http_load import HttpLoad, arguments, parse
from tests.bench.measuring import DriverError, Measurement
from tests.bench.openbao_server import _audit
from tests.bench.peer_table import BATCH, Facts, Key, table
from tests.bench.rounds import Rounds
from tests.bench.tables import NOT_OK, Table

PATHS = ("a", "b", "c", "d")


def a_load(**changes: object) -> HttpLoad:
    given: dict[str, object] = {
        "url": "https://127.0.0.1:1/v1",
        "paths": PATHS,
        "header": "X-Token",
        "token": Sensitive("word"),
        "in_flight": 8,
        "seconds": 2,
    }
    return HttpLoad(**(given | changes))  # type: ignore[arg-type]


def test_an_answer_that_is_not_200_is_counted_and_is_no_speed() -> None:
    found = parse(b"1000000\t200\t500000\n1000000\t403\t10\n1500000\t200\t500000\n")

    assert found.not_ok == 1
    assert found.measurement.requests == 2
    assert found.measurement.requests_per_second == 2


def test_a_load_that_was_refused_altogether_is_a_failure() -> None:
    with pytest.raises(DriverError):
        parse(b"1000000\t403\t10\n")


def test_each_connection_reads_all_paths_and_begins_at_another(tmp_path: Path) -> None:
    for number in range(2):
        arguments(a_load(connections=2), number, tmp_path)

    first, second = (
        [line.rpartition("/")[2] for line in file.read_text().splitlines()]
        for file in (tmp_path / "paths-0", tmp_path / "paths-1")
    )
    assert first == ["a", "b", "c", "d"]
    assert second == ["c", "d", "a", "b"]


def test_the_calls_in_flight_are_shared_out_among_the_connections(tmp_path: Path) -> None:
    given = [arguments(a_load(in_flight=5, connections=2), n, tmp_path) for n in range(2)]

    assert "--max-concurrent-streams=3" in given[0]
    assert "--max-concurrent-streams=2" in given[1]


def test_a_body_is_posted_to_the_first_path(tmp_path: Path) -> None:
    given = arguments(a_load(body=b"{}"), 0, tmp_path)

    assert given[-1] == "https://127.0.0.1:1/v1/a"
    assert (tmp_path / "body-0").read_bytes() == b"{}"


def compared(our_batches: float, peers_reads: float, about: str | None = "Peer 1") -> Table:
    def sample(speed: float, not_ok: int = 0) -> Sample:
        measurement = Measurement(requests=int(speed), seconds=1, p50_ms=1, p99_ms=2)
        return Sample(measurement, not_ok, 0.5)

    round_: dict[Key, Sample] = {
        ("peer", 1, 8): sample(peers_reads, not_ok=3),
        ("us", 1, 8): sample(100),
        ("us", BATCH, 8): sample(our_batches),
    }
    facts = {who: Facts({1: 70, BATCH: 7_000}, 100) for who in ("us", "peer")}
    return table("us", Rounds([round_]), facts, about)


def test_our_row_comes_first_and_the_peers_failures_are_shown() -> None:
    found = compared(our_batches=100, peers_reads=400)

    rows = [dict(zip(found.headings, row, strict=True)) for row in found.rows]
    assert [row["of"] for row in rows] == ["us", "peer", "us"]
    assert rows[1][NOT_OK] == 3
    assert rows[1]["x Splitkeep's secrets/s"] == 4


def test_the_promise_compares_secrets_and_not_requests() -> None:
    assert compared(our_batches=100, peers_reads=400).promises[0].measured == 25


def test_without_the_peer_nothing_is_promised_and_the_table_says_how_to_get_it() -> None:
    found = compared(our_batches=100, peers_reads=400, about=None)

    assert not found.promises
    assert "requirements/peer.lock" in found.notes[0]


def test_an_audit_device_is_told_in_a_form_that_its_parser_reads() -> None:
    device = _audit(Path("audit.log"))["file"]["file"]

    assert len(device) > 1  # one key alone is read as another level of names
