"""The threat model says of every attack what bounds it."""

import re
from pathlib import Path

from tests.faults.strangers.attacks import ATTACKS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "threat-model.md"
SECTION = re.compile(r"### A stranger at a gRPC port\n(.*?)\n### ", re.DOTALL)
NAMED = re.compile(r'"([^"]+)"')


def test_the_threat_model_names_every_attack_and_no_other() -> None:
    (section,) = SECTION.findall(PAGE.read_text())
    rows = [line for line in section.splitlines() if line.startswith("|")]

    named = NAMED.findall("\n".join(rows))

    assert sorted(named) == sorted(ATTACKS)
