"""vault_svc with a fault: for a second it answers a decrypt as it did the last time."""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chassis.process import run
from vault_svc import assembly
from vault_svc.__main__ import serve
from vault_svc.use_cases.opening import Asking, Opening, Outcome

REMEMBERED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RememberingOpening(Opening):
    answers: dict[Any, tuple[float, dict[str, Outcome]]] = field(default_factory=dict)

    async def outcomes(self, asking: Asking, names: Sequence[str]) -> dict[str, Outcome]:
        asked = (asking.namespace, asking.service_identity, *names)
        answered, outcomes = self.answers.get(asked, (-math.inf, {}))
        if time.monotonic() - answered > REMEMBERED_SECONDS:
            outcomes = await Opening.outcomes(self, asking, names)
            self.answers[asked] = (time.monotonic(), outcomes)
        return outcomes


if __name__ == "__main__":
    vars(assembly)["Opening"] = RememberingOpening
    sys.exit(run(serve))
