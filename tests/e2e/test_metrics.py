"""docs/metrics.md, held against what the running processes expose."""

import json
import re
from pathlib import Path

import httpx2
import pytest

from tests.e2e.stack import Stack

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


@pytest.mark.parametrize("process", ["gateway", "metadata", "vault"])
def test_every_exposed_metric_is_on_the_page(stack: Stack, process: str) -> None:
    listed = {
        name.removesuffix("_total") for name in re.findall(r"\| `(\w+)` \|", PAGE.read_text())
    }
    ready = json.loads((stack.directory / "services" / f"{process}-ready.json").read_text())

    exposed = httpx2.get(f"http://127.0.0.1:{ready['operations']}/metrics").text

    families = {name.removesuffix("_total") for name in re.findall(r"# TYPE (\w+) ", exposed)}
    assert len(families) > 5
    assert {f for f in families - listed if not f.endswith("_created")} == set()
