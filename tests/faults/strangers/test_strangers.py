"""A stranger's attacks on the gRPC ports: what they cost, and what a polite caller notices.

In every run, attacks of a kind go on together for a moment. `make acceptance` makes each of
them by itself, on twice the connections, for half a minute.
"""

import json
import os
from collections.abc import Mapping

import pytest

from tests.acceptance.figures import record
from tests.acceptance.page import STRANGER
from tests.bench.under_test import StackUnderTest
from tests.faults.strangers import fields, frames, handshakes, streams
from tests.faults.strangers.attack import Attack
from tests.faults.strangers.attacks import ATTACKS
from tests.faults.strangers.drill import BACK_MIB, Drill, Seen

# Set by `make acceptance` (tests/acceptance/run.py).
SECONDS = os.environ.get("SPLITKEEP_TEST_STRANGER_SECONDS")
# Set by a person who wants some of the attacks alone: their names, with | in between.
NAMES = os.environ.get("SPLITKEEP_TEST_STRANGER_NAMES")
BRIEF_SECONDS = 1.5
TWICE = 2.0
# docs/operations.md, "When a stranger floods a port": 256 MiB in each of the four workers.
BOUND_MIB = 1_024.0
SLOWER = 3.0

# Of the connections that each attack has by itself, so many times.
# Of these the core holds more before a call is accepted (docs/upstream/
# fields-before-settings-are-acknowledged.md). What they cost is recorded.
BEFORE_SETTINGS = frozenset(name for name in ATTACKS if "before SETTINGS" in name)
BOUNDED_FIELDS = [name for name in fields.ATTACKS if name not in BEFORE_SETTINGS]

KINDS = {
    "frames": (list(frames.ATTACKS), 0.5),
    "streams": (list(streams.ATTACKS), 0.2),
    "fields": (BOUNDED_FIELDS, 0.2),
    "handshakes": (list(handshakes.ATTACKS), 0.1),
}


def port_of(stack: StackUnderTest, name: str) -> int:
    if name != "peer":
        return int(str(getattr(stack, name)).rpartition(":")[2])
    ready = stack.state.directory / "services" / "metadata-ready.json"
    return int(json.loads(ready.read_text())["peer"])


def long_attacks() -> Mapping[str, Attack]:
    names = NAMES.split("|") if NAMES else list(ATTACKS) if SECONDS else ["PING"]
    return {name: ATTACKS[name] for name in names}


def memory_faults(seen: Seen) -> list[str]:
    rules = {
        f"{seen.grown_mib:.0f} MiB more were resident": seen.grown_mib > BOUND_MIB,
        f"{seen.kept_mib:.0f} MiB more are resident still": seen.kept_mib > BACK_MIB,
    }
    return [text for text, holds in rules.items() if holds]


def faults_for_others(seen: Seen) -> list[str]:
    rules = {
        f"polite calls failed: {seen.errors}": bool(seen.errors),
        f"{seen.slower:.1f} times as slow": seen.slower > SLOWER,
    }
    return [text for text, holds in rules.items() if holds]


@pytest.mark.parametrize(
    ("port", "kind"),
    [*(("vault", kind) for kind in KINDS), ("metadata", "streams"), ("peer", "handshakes")],
)
async def test_attacks_of_a_kind_cost_little_memory_and_calls_go_on(
    drill: Drill, attacked: StackUnderTest, port: str, kind: str
) -> None:
    attacks, times = KINDS[kind]

    seen = await drill.attack(
        attacks, port_of(attacked, port), seconds=BRIEF_SECONDS, times=times
    )

    assert not memory_faults(seen), seen
    assert seen.calls, "no polite call was answered meanwhile"
    assert await drill.answered(), "no polite call is answered afterwards"


@pytest.mark.timeout(4 * 3_600)
async def test_an_attack_of_any_length_costs_little_memory_and_slows_nobody_down(
    drill: Drill, attacked: StackUnderTest
) -> None:
    """Speed is asked of the long run alone: others use this machine during every run."""
    faults: dict[str, list[str]] = {}
    for name, attack in long_attacks().items():
        seen = await drill.attack(
            [name],
            port_of(attacked, attack.port),
            seconds=float(SECONDS or BRIEF_SECONDS),
            times=TWICE,
        )
        record(f"{STRANGER}{name}", seen.figures())
        faults[name] = memory_faults(seen) if name not in BEFORE_SETTINGS else []
        faults[name] += faults_for_others(seen) if SECONDS else []

    assert not {name: found for name, found in faults.items() if found}
