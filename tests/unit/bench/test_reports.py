"""A run is read back as it was written, and page and plot show what it says."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from chassis.sensitive import Sensitive
from tests.bench import single
from tests.bench.page import page, picture
from tests.bench.plot import round_up
from tests.bench.postgres_select import connecting, parse
from tests.bench.report import Finding, OtherSurroundingsError, Report, Surroundings, shown
from tests.bench.subjects import NAMES
from tests.bench.tables import NOT_OK, Bound, Promise, Table

AROUND = Surroundings(
    machine={"CPU": "2 of something"},
    versions={"Python": "3.11"},
    load_by="h2load",
    workers={"vault": 1, "metadata": 1},
    connections=1,
    rounds=5,
    seconds=2.5,
    rows=100_000,
)


def a_promise(*, limit: float = 0.3, measured: float = 0.35) -> Promise:
    return Promise("decrypts/s as a share of the control's", Bound.AT_LEAST, limit, measured)


def a_table(
    name: str = single.NAME, *, not_ok: int = 0, promise: Promise | None = None
) -> Table:
    return Table(
        name=name,
        title=f"The subject {name}",
        headings=single.HEADINGS,
        rows=[
            (in_flight, 400.0, 3.0, 9.5, 2.0, 1_500.0, 0.6, 2.5, 0.5, 0.27, not_ok)
            for in_flight in single.IN_FLIGHT
        ],
        notes=("What differs.",),
        promises=[promise or a_promise()],
    )


def a_report(*tables: Table) -> Report:
    return Report(
        surroundings=AROUND,
        findings=[
            Finding(table=table, measured_at="2026-11-23 18:00+00:00", load_average=1.5)
            for table in tables or (a_table(),)
        ],
    )


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    a_report().write(file)

    found = Report.read(file)
    found.write(tmp_path / "again.json")

    assert page(found) == page(a_report())
    assert found.findings[0].table.promises == [a_promise()]
    assert (tmp_path / "again.json").read_text() == file.read_text()


def test_what_was_not_measured_again_stays() -> None:
    older = a_report(a_table("single"), a_table("batch"))
    newer = a_report(a_table("batch", not_ok=1), a_table("rest"))

    joined = newer.joined(older)

    assert [finding.table.name for finding in joined.findings] == ["single", "batch", "rest"]
    assert [finding.not_ok for finding in joined.findings] == [0, 4, 0]


def test_figures_of_other_surroundings_do_not_share_a_page() -> None:
    older = replace(a_report(), surroundings=replace(AROUND, rounds=1))

    with pytest.raises(OtherSurroundingsError):
        a_report().joined(older)


@pytest.mark.parametrize(("measured", "verdict"), [(0.3, "yes"), (0.29, "**no**")])
def test_the_page_says_whether_a_promise_was_kept(measured: float, verdict: str) -> None:
    text = page(a_report(a_table(promise=a_promise(measured=measured))))

    row = f"| {a_promise().what} | at least 0.30 | {measured:.2f} | {verdict} |"
    assert row in text.splitlines()


def test_the_page_has_every_row_and_note_of_every_table() -> None:
    lines = page(a_report(a_table("single"), a_table("batch"))).splitlines()

    assert lines.count("- What differs.") == 2
    assert (
        lines.count("| 8 | 400 | 3.00 | 9.50 | 2.00 | 1 500 | 0.60 | 2.50 | 0.50 | 0.27 | 0 |")
        == 2
    )


def test_the_plot_is_a_picture_of_both_lines_in_both_panels() -> None:
    drawn = ET.fromstring(picture(a_report()))

    lines = [mark.get("stroke") for mark in drawn.iter() if mark.tag.endswith("polyline")]
    assert len(lines) == 4
    assert len(set(lines)) == 2


def test_there_is_no_plot_of_what_was_not_measured() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        picture(a_report(a_table("batch")))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "-"),
        ("the first", "the first"),
        (0, "0"),
        (0.0, "0"),
        (0.0123, "0.012"),
        (0.304, "0.30"),
        (25.04, "25.0"),
        (30_412.6, "30 413"),
    ],
)
def test_a_figure_is_shown_with_the_digits_it_is_worth(
    cell: str | float | None, text: str
) -> None:
    assert shown(cell) == text


@pytest.mark.parametrize(("figure", "top"), [(1, 1), (1_501, 2_000), (95, 100), (0.3, 0.4)])
def test_an_axis_ends_at_a_round_figure(figure: float, top: float) -> None:
    assert round_up(figure) == pytest.approx(top)


def test_subjects_have_names_of_their_own() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in NAMES)


def test_pgbench_gives_speed_and_percentiles() -> None:
    log = "0 1 500 0 1 2\n1 1 1500 0 1 2\n"

    found = parse("latency average = 1 ms\ntps = 5141.8 (without …)\n", log)

    assert (found.requests_per_second, found.p50_ms, found.p99_ms) == (5142, 0.5, 1.5)


def test_the_way_into_a_database_is_no_argument_of_pgbench() -> None:
    found = connecting(Sensitive("postgresql://vault:pw@127.0.0.1:5433/values"))

    assert found == {
        "PGHOST": "127.0.0.1",
        "PGPORT": "5433",
        "PGUSER": "vault",
        "PGPASSWORD": "pw",
        "PGDATABASE": "values",
    }


def test_a_table_that_counts_nothing_wrong_is_fine() -> None:
    table = replace(a_table(), headings=[h for h in single.HEADINGS if h != NOT_OK])

    assert a_report(table).findings[0].not_ok == 0
