"""Telling that a process serves, and on which ports."""

import json
from collections.abc import Mapping
from pathlib import Path

import structlog


def announce(ports: Mapping[str, int], ready_file: Path | None) -> None:
    """The bound ports are logged as `ready` and, if a file is named, written there as JSON.

    Whoever waits for the file never reads half of it. Raises OSError.
    """
    structlog.get_logger(__name__).info("ready", **ports)
    if ready_file is not None:
        unfinished = ready_file.with_name(f"{ready_file.name}.unfinished")
        unfinished.write_text(json.dumps(ports), encoding="utf-8")
        unfinished.replace(ready_file)
