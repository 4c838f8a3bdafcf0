"""The programs in docs/upstream/ show what their pages say, with the grpcio that is installed.

Where one no longer does, the fault is gone: the page is to say so, and what is done about it
here can go.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

PAGES = Path(__file__).resolve().parents[3] / "docs" / "upstream"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
MUCH_MIB, LITTLE_MIB = 150, 100
RACES = 3  # a busy machine may keep a flood from being one
NUMBER = r"(\d+) MiB more resident"


def resident(said: str, case: str) -> int:
    found = re.search(rf"{case}.*?{NUMBER}", said)
    assert found, said
    return int(found[1])


def pings_grow(said: str) -> bool:
    return resident(said, "strikes=2") > MUCH_MIB and resident(said, "strikes=0") < LITTLE_MIB


def fields_grow(said: str) -> bool:
    bounded, unbounded = (resident(said, f"acknowledged: {case}") for case in (True, False))
    return unbounded > MUCH_MIB and bounded < LITTLE_MIB


def others_wait(said: str) -> bool:
    found = re.findall(r"the longest (\d+) ms", said)
    assert len(found) == 2, said
    quiet, flooded = map(int, found)
    return flooded > max(1_000, 10 * quiet)


@pytest.mark.skipif(grpc.__version__ != "1.78.2", reason="the pages are about grpcio 1.78.2")
@pytest.mark.parametrize(
    ("page", "shows", "attempts"),
    [
        ("pings-grow-memory", pings_grow, 1),
        ("fields-before-settings-are-acknowledged", fields_grow, 1),
        ("one-connection-keeps-the-poller", others_wait, RACES),
    ],
)
def test_the_program_of_a_report_shows_the_fault(
    tmp_path: Path, page: str, shows: Callable[[str], bool], attempts: int
) -> None:
    (program,) = BLOCK.findall((PAGES / f"{page}.md").read_text())
    path = tmp_path / "reproduction.py"
    path.write_text(program)
    clean = {name: text for name, text in os.environ.items() if not name.startswith("GRPC_")}

    said: list[str] = []
    while not any(map(shows, said)) and len(said) < attempts:
        done = subprocess.run(
            [sys.executable, str(path)],
            env=clean,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        said.append(done.stdout)

    assert any(map(shows, said)), said
