"""The end of a start: telling that a process serves, and on which ports."""

import gc
import json
from collections.abc import Mapping
from pathlib import Path

from chassis.config import StartRefusedError
from chassis.telemetry import record


def announce(ports: Mapping[str, int], ready_file: Path | None) -> None:
    """The bound ports are in the file, if one is named, as JSON, and then logged as `ready`.

    Whoever reads the line finds the file, and never half of it. Raises StartRefusedError if it
    cannot be written.
    """
    if ready_file is not None:
        unfinished = ready_file.with_name(f"{ready_file.name}.unfinished")
        try:
            unfinished.write_text(json.dumps(ports), encoding="utf-8")
            unfinished.replace(ready_file)
        except OSError as error:
            problem = f"the ready file {ready_file} cannot be written: {error.strerror}"
            raise StartRefusedError((problem,)) from error
    record("ready", **ports)


# As many objects as some hundred calls under way hold, or a thousand have left in circles.
YOUNG_OBJECTS = 20_000


def settle() -> None:
    """What the start has made is for good: the garbage collector does not look at it again.

    A full collection of what a service has loaded stops it for some 17 ms. Nor does it look, as
    often as it would by itself, at what the calls under way have made and will soon be done
    with: that took one part in thirty of a busy service's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
