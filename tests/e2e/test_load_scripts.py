"""The benchmarks run to their end against a stack; how fast is not asked here."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.report import Report, cells
from tests.bench.single import IN_FLIGHT, IN_FLIGHT_HEADING
from tests.e2e.stack import ROOT, Stack

pytestmark = pytest.mark.slow

SUBJECTS = ("single", "batch", "mixed", "rest", "select", "pages", "list")


def test_the_benchmarks_end_with_their_tables_and_no_failed_call(
    stack: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench", "--quick"),
            *("--state", str(stack.directory), "--json", str(file), "--only", *SUBJECTS),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    report = Report.read(file)
    assert tuple(finding.table.name for finding in report.findings) == SUBJECTS
    assert [finding.not_ok for finding in report.findings] == [0] * len(SUBJECTS)
    assert all(finding.table.title in done.stdout for finding in report.findings)
    single = report.table("single")
    assert single is not None
    assert cells(single, IN_FLIGHT_HEADING) == list(IN_FLIGHT)
