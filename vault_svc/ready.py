"""Telling that the process serves, and on which ports."""

import json
from pathlib import Path

import structlog


def announce(path: Path | None, ports: dict[str, int]) -> None:
    """The ports are logged, and in the file, if one is named, all at once."""
    structlog.get_logger(__name__).info("ready", ports=ports)
    if path is not None:
        unfinished = path.with_name(path.name + ".new")
        unfinished.write_text(json.dumps(ports), encoding="utf-8")
        unfinished.replace(path)
