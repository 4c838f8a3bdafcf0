"""`make acceptance`: the drills that take too long for every run, and their figures.

A drill is a test that runs with a greater count. The figures of those that passed are in
docs/acceptance.json afterwards; docs/acceptance.md is made from them. Words name the drills to
run; without any, all are. The exit code is that of the first that failed.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tests.acceptance.figures import VARIABLE
from tests.acceptance.page import FIGURES, ROOT


@dataclass(frozen=True, slots=True)
class Drill:
    """Tests, parted by spaces, and the settings that make them long."""

    tests: str
    settings: Mapping[str, str]


DRILLS = {
    "benchmarks": Drill(
        "tests/e2e/test_load_scripts.py tests/e2e/test_limit_benchmarks.py",
        {"SPLITKEEP_TEST_BENCHMARKS": "all"},
    ),
    "fail-overs": Drill(
        "tests/faults/replication/test_fail_overs.py"
        "::test_nothing_that_was_acknowledged_is_lost_or_contradicted",
        {"SPLITKEEP_TEST_FAIL_OVERS": "200"},
    ),
    "newest-grpcio": Drill(
        "tests/e2e/test_newest_grpcio.py::test_the_newest_grpcio_serves_as_the_locked_one_does",
        {"SPLITKEEP_TEST_NEWEST_GRPCIO": "full"},
    ),
    "strangers": Drill(
        "tests/faults/strangers/test_strangers.py"
        "::test_an_attack_of_any_length_costs_little_memory_and_slows_nobody_down",
        {"SPLITKEEP_TEST_STRANGER_SECONDS": "30"},
    ),
}


def run(drill: Drill) -> int:
    """The exit code of the drill's tests."""
    command = [sys.executable, "-m", "splitkeep", "test", *drill.tests.split(), "-q"]
    environ = {**os.environ, **drill.settings, VARIABLE: str(FIGURES)}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


def main(words: list[str]) -> int:
    """See the module."""
    codes = [run(DRILLS[name]) for name in words or DRILLS]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
