"""The hop between the two services: a unary call each time, or a stream that is held open.

What it decided is in docs/adr/0017-the-hop-is-a-held-stream.md. A front is loaded that asks a
back for every call (tests/bench/hop_server.py), in both ways in turn within each round, and
once without asking: the difference is what the hop costs.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chassis.grpc_client import open_channel
from protos.splitkeep.metadata.v1.vault_peer_pb2 import (
    Question,
    ResolveRequest,
    ResolveResponse,
)
from tests.bench import report
from tests.bench.drivers.choice import choose_driver
from tests.bench.floor_server import HOST
from tests.bench.floors import TOKEN, own_certificates, shown
from tests.bench.hop_server import SERVICE
from tests.bench.hop_table import CASES, WAYS, Case, Run, Runs, table
from tests.bench.measuring import Driver, DriverError, Load, Place
from tests.bench.running import MICROSECONDS, cpu_seconds, running, written
from tests.bench.tables import FULL, QUICK, Effort, Table
from tests.bench.under_test import StackUnderTest

SPLIT = 3  # there are many cases


@dataclass(frozen=True, slots=True)
class Pair:
    """The two processes."""

    target: str
    pids: tuple[int, int]

    def cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self.pids))


async def measure(stack: StackUnderTest, effort: Effort) -> Table:
    """Needs no stack: the two processes are its own. Raises DriverError."""
    del stack
    return await alone(effort)


async def alone(effort: Effort) -> Table:
    """See measure."""
    with tempfile.TemporaryDirectory(prefix="splitkeep-hop-") as name:
        folder = Path(name)
        async with _pair(folder) as pair:
            driver = choose_driver("h2load", Place(folder / "ca.pem", folder))
            await _check(pair, folder / "ca.pem")
            runs = await _rounds(driver, pair, effort)
            await _check(pair, folder / "ca.pem")
    return table(runs, driver.said)


async def _check(pair: Pair, ca: Path) -> None:
    """Every way answers every name: a tool that speaks HTTP would not see that it does not."""
    ways = {case.method(way) for case in CASES for way in WAYS}
    async with open_channel(pair.target, ca=ca) as channel:
        for way in sorted(ways):
            method: Any = channel.unary_unary(f"/{SERVICE}/{way}")
            answer = await method(request(10).SerializeToString(), timeout=30)
            decisions = ResolveResponse.FromString(answer).answers[0].decisions
            if len(decisions) != len(request(10).questions[0].names):
                raise DriverError(f"{way} answered {len(decisions)} of 10 names")


async def _rounds(driver: Driver, pair: Pair, effort: Effort) -> Runs:
    cases = (CASES[0], CASES[-1]) if effort.quick else CASES
    turns = [(case, way) for case in cases for way in WAYS]
    runs: Runs = {turn: [] for turn in turns}
    for way in WAYS:
        await _run(driver, pair, Case(1, 8), way, effort.seconds / SPLIT)  # warm
    for _ in range(effort.rounds):
        random.shuffle(turns)
        for case, way in turns:
            runs[case, way].append(await _run(driver, pair, case, way, effort.seconds / SPLIT))
    return runs


async def _run(driver: Driver, pair: Pair, case: Case, way: str, seconds: float) -> Run:
    before = pair.cpu_seconds()
    load = Load(
        target=pair.target,
        method=f"{SERVICE}/{case.method(way)}",
        token=TOKEN,
        messages=[request(case.names)],
        in_flight=case.in_flight,
        seconds=seconds,
    )
    found = await driver.run(load)
    used = pair.cpu_seconds() - before
    return Run(found, used / found.requests * MICROSECONDS)


def request(names: int) -> ResolveRequest:
    """One caller's question."""
    question = Question(
        namespace="load",
        names=[f"load-{number:03}" for number in range(names)],
        service_identity="load-tester",
    )
    return ResolveRequest(questions=[question])


@asynccontextmanager
async def _pair(folder: Path) -> AsyncIterator[Pair]:
    certificates, ca = own_certificates(folder)
    told = {
        "certificate": str(certificates.certificate),
        "private_key": str(certificates.private_key),
        "ca": str(ca),
    }
    async with (
        _program("back", told, folder) as (back, back_pid),
        _program("front", told | {"back": back}, folder) as (front, front_pid),
    ):
        yield Pair(front, (front_pid, back_pid))


@asynccontextmanager
async def _program(
    role: str, told: dict[str, str], folder: Path
) -> AsyncIterator[tuple[str, int]]:
    ready = folder / f"{role}.json"
    command = [sys.executable, "-m", "tests.bench.hop_server", role]
    command.append(json.dumps(told | {"ready_file": str(ready)}))
    log = folder / f"{role}.log"
    async with running(command, ready=written(ready), log=log) as process:
        yield f"{HOST}:{json.loads(ready.read_text())['port']}", process.pid


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hop", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args(arguments)
    found = asyncio.run(alone(QUICK if asked.quick else FULL))
    print(report.table([found.headings, *(tuple(map(shown, row)) for row in found.rows)]))
    print(*found.notes, report.machine(), sep="\n")
    if asked.json is not None:
        asked.json.write_text(json.dumps(asdict(found), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
