"""docs/acceptance.md, made from the figures of the last run of each drill."""

import json
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STRANGER = "stranger: "  # before the name of an attack; all of them are one table
ORDER = (
    *("p99 quiet, ms", "p99, ms", "answered", "kinds of failure"),
    *("MiB before", "MiB at most", "MiB after", "refused"),
)
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
    drills: dict[str, dict[str, float]] = json.loads(FIGURES.read_text())
    for drill, figures in drills.items():
        if not drill.startswith(STRANGER):
            lines += ["", f"## {drill}", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {number:,} |" for name, number in figures.items()]
    attacks = {
        drill.removeprefix(STRANGER): figures
        for drill, figures in drills.items()
        if drill.startswith(STRANGER)
    }
    return "\n".join(lines + _strangers(attacks)) + "\n"


def _strangers(attacks: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A row for each attack; nothing if there was none."""
    if not attacks:
        return []
    columns = sorted(next(iter(attacks.values())), key=ORDER.index)
    lines = ["", "## Strangers", "", f"| attack | {' | '.join(columns)} |"]
    lines += [f"|---|{'--:|' * len(columns)}"]
    for attack, figures in attacks.items():
        numbers = (f"{figures[column]:,}" for column in columns)
        lines += [f"| {attack} | {' | '.join(numbers)} |"]
    return lines


PAGES = {"acceptance.md": acceptance_page}
