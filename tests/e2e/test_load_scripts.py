"""The benchmarks run to their end against a stack; how fast is not asked here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.report import Report, cells
from tests.bench.single import IN_FLIGHT, IN_FLIGHT_HEADING
from tests.e2e.stack import ROOT, Stack

pytestmark = pytest.mark.slow

SUBJECTS = (
    *("single", "batch", "mixed", "rest", "select", "pages", "list", "stages"),
    "resident",
)
LONG = pytest.mark.skipif(
    os.environ.get("SPLITKEEP_TEST_BENCHMARKS") != "all",
    reason="takes several stacks: make acceptance runs it",
)
ON_STACKS_OF_THEIR_OWN = (
    *("cold_start", "ordered_pages"),
    *(pytest.param(name, marks=LONG) for name in ("pinned", "growth")),
)


def test_the_benchmarks_end_with_their_tables_and_no_failed_call(
    stack: Stack, tmp_path: Path
) -> None:
    report, shown = quick_run(stack, tmp_path, *SUBJECTS)

    assert tuple(finding.table.name for finding in report.findings) == SUBJECTS
    assert [finding.not_ok for finding in report.findings] == [0] * len(SUBJECTS)
    assert all(finding.table.title in shown for finding in report.findings)
    single = report.table("single")
    assert single is not None
    assert cells(single, IN_FLIGHT_HEADING) == list(IN_FLIGHT)


@pytest.mark.timeout(900)  # up to three stacks beside the one that is there
@pytest.mark.parametrize("subject", ON_STACKS_OF_THEIR_OWN)
def test_a_benchmark_on_stacks_of_its_own_ends_with_its_table_and_no_failed_call(
    stack: Stack, tmp_path: Path, subject: str
) -> None:
    report, _ = quick_run(stack, tmp_path, subject)

    (finding,) = report.findings
    assert (finding.table.name, finding.not_ok) == (subject, 0)


def quick_run(stack: Stack, folder: Path, *subjects: str) -> tuple[Report, str]:
    """The figures, and what was printed."""
    file = folder / "figures.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench", "--quick"),
            *("--state", str(stack.directory), "--json", str(file), "--only", *subjects),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Report.read(file), done.stdout
