"""The gateway with a fault: a patch is not written at the resource version that it read."""

import sys
from typing import Any

from chassis.process import run
from gateway.__main__ import main
from gateway.resources import patches
from gateway.resources.patching import PINS, Patching


class UnpinnedPatching(Patching[Any, Any]):
    def _patched(self, found: Any) -> tuple[dict[str, Any], bool]:
        tree, pinned_by_client = Patching._patched(self, found)
        metadata: Any = tree["metadata"]
        for pin in PINS:
            metadata.pop(pin, None)
        return tree, pinned_by_client


if __name__ == "__main__":
    vars(patches)["Patching"] = UnpinnedPatching
    sys.exit(run(main))
