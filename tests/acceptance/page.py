"""docs/acceptance.md, made from the figures of the last run of each drill."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "acceptance.json"


def acceptance_page() -> str:
    """Every drill and what it saw."""
    lines = [
        "# Acceptance",
        "",
        "<!-- Made by `make docs` from acceptance.json. -->",
        "",
        "Drills that take too long for every run of the tests: each is a test that runs with a",
        "greater count. `make acceptance` runs them all and writes what they saw.",
        "[crash-model.md](crash-model.md) says what they show.",
    ]
    for drill, figures in json.loads(FIGURES.read_text()).items():
        lines += ["", f"## {drill}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {number:,} |" for name, number in figures.items()]
    return "\n".join(lines) + "\n"


PAGES = {"acceptance.md": acceptance_page}
