"""What the long drills saw, for docs/acceptance.json."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

# The file that `make acceptance` has the drills write to; other runs keep no figures.
VARIABLE = "SPLITKEEP_TEST_FIGURES"


def record(drill: str, figures: Mapping[str, float]) -> None:
    """The drill's figures are in the file, if this run keeps any."""
    named = os.environ.get(VARIABLE)
    if not named:
        return
    path = Path(named)
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[drill] = dict(sorted(figures.items()))
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n")
