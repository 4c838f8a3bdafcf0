"""The benchmarks of overload and of the next call run to their end; how well is not asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.next_call import QUICK_CHANGES
from tests.bench.report import Report
from tests.e2e.stack import ROOT, Stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("SPLITKEEP_TEST_BENCHMARKS") != "all",
        reason="takes a minute: make acceptance runs it",
    ),
]


def test_overload_and_the_next_call_are_measured_as_the_other_subjects_are(
    stack: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench", "--quick", "--only", "overload"),
            *("next_call", "--state", str(stack.directory), "--json", str(file)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    report = Report.read(file)
    overload, next_call = report.table("overload"), report.table("next_call")
    assert overload is not None
    assert next_call is not None
    assert {row[0] for row in overload.rows} == {"closed loop", "open loop"}
    assert tuple(next_call.rows[-1]) == ("all", QUICK_CHANGES, 0)
