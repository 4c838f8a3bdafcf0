"""Telling that a process serves."""

import gc
import json
from io import StringIO
from pathlib import Path

from chassis.log_level import LogLevel
from chassis.ready import YOUNG_OBJECTS, announce, settle
from chassis.telemetry import configure_logging


class _Lines(StringIO):
    """Remembers whether the file was there when each line was written."""

    def __init__(self, watched: Path) -> None:
        super().__init__()
        self.watched, self.found = watched, list[bool]()

    def write(self, text: str) -> int:
        self.found.append(self.watched.exists())
        return super().write(text)


def test_whoever_reads_the_line_finds_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    lines = _Lines(file)
    configure_logging("test", LogLevel.INFO, lines)

    announce({"clients": 9401}, file)

    assert json.loads(lines.getvalue())["clients"] == 9401
    assert lines.found == [True]
    assert json.loads(file.read_text()) == {"clients": 9401}
    assert list(tmp_path.iterdir()) == [file]


def test_without_a_file_the_line_is_all(tmp_path: Path) -> None:
    lines = _Lines(tmp_path / "ready.json")
    configure_logging("test", LogLevel.INFO, lines)

    announce({"clients": 9401}, None)

    assert json.loads(lines.getvalue())["event"] == "ready"
    assert list(tmp_path.iterdir()) == []


def test_what_the_start_has_made_is_not_collected_again() -> None:
    made = [[] for _ in range(100)]  # type: ignore[var-annotated]  # whatever it is
    before = gc.get_threshold()
    try:
        settle()

        assert gc.get_freeze_count() > len(made)
        assert gc.get_threshold() == (YOUNG_OBJECTS, *before[1:])
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
