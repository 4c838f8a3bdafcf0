"""The load scripts run to their end against a stack; how fast is not asked here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.load import CONCURRENCIES
from tests.e2e.stack import ROOT, Stack

pytestmark = pytest.mark.slow

DECRYPTING = {"single", "batch of 100", "mixed: 90 % decrypt"}


def run(script: str, stack: Stack, report: Path) -> tuple[str, dict[str, Any]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", f"tests.bench.{script}", "--quick"),
            *("--state", str(stack.directory), "--json", str(report)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(report.read_text())


def test_the_load_script_ends_with_a_table_that_holds_the_control_and_no_failed_call(
    stack: Stack, tmp_path: Path
) -> None:
    output, found = run("load", stack, tmp_path / "load.json")

    rows = found["rows"]
    controls = [row["in_flight"] for row in rows if row["case"] == "control"]
    assert controls == list(CONCURRENCIES)
    assert {row["case"] for row in rows} >= DECRYPTING
    assert [row["not_ok"] for row in rows] == [0] * len(rows)
    assert all(row["requests_per_second"] > 0 for row in rows)
    assert output.startswith(found["driver"])
    assert "x control" in output


def test_the_page_script_lists_everything_it_seeded(stack: Stack, tmp_path: Path) -> None:
    output, found = run("pages", stack, tmp_path / "pages.json")

    assert found["listed"] >= 2_000
    assert {held["process"] for held in found["held"]} == {"gateway", "metadata"}
    assert "the last" in output
