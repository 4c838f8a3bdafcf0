"""The floor under every figure: an empty call to a bare grpc.aio server, by version of grpcio.

It says when to move the pin, and whether one of grpcio's switches makes a call cheaper
(docs/adr/0003-grpcio-set.md).

    .venv/bin/python -m tests.bench.floors                       the pinned set and CANDIDATES
    .venv/bin/python -m tests.bench.floors --grpcio 1.80.1 latest
    .venv/bin/python -m tests.bench.floors --grpcio --switches   the pinned set, every switch
    … --keep DIRECTORY     keeps the environments there for the next time

All servers run at once and are loaded in turn, in another order in every round: what else the
machine does meanwhile meets all of them.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from chassis.clock import SystemClock
from chassis.grpc_client import open_channel
from chassis.sensitive import Sensitive
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf
from tests.bench import report
from tests.bench.drivers.choice import choose_driver
from tests.bench.floor_server import COUNT, HOST
from tests.bench.floor_sets import LATEST, SetNotMadeError, make_sets
from tests.bench.floor_table import IN_FLIGHT, JUDGED, SWITCHES, Run, Runs, Variant, table
from tests.bench.measuring import Driver, DriverError, Load, Place
from tests.bench.running import MICROSECONDS, ROOT, cpu_seconds, running, written
from tests.bench.tables import FULL, QUICK, Cell, Effort, Table
from tests.bench.under_test import StackUnderTest

CANDIDATES = ("1.80.1", LATEST)
SPLIT = 3  # many short runs meet the machine's moods more evenly than few long ones
METHOD = "splitkeep.bench.Floor/Empty"
TOKEN = Sensitive("t" * 700)  # as long as a real one


@dataclass(frozen=True, slots=True)
class Floor:
    """A variant's running server."""

    variant: Variant
    target: str
    pid: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share."""

    driver: Driver
    ca: Path
    seconds: float

    async def run(self, floor: Floor, in_flight: int) -> Run:
        """Raises DriverError if a call was not answered."""
        served, cpu = await self._served(floor), cpu_seconds(floor.pid)
        load = Load(
            target=floor.target,
            method=METHOD,
            token=TOKEN,
            messages=[StringValue(value="x" * 16)],
            in_flight=in_flight,
            seconds=self.seconds,
        )
        found = await self.driver.run(load)
        used = cpu_seconds(floor.pid) - cpu
        served = await self._served(floor) - served
        if served < found.requests:
            raise DriverError(f"{found.requests - served} calls were not answered")
        return Run(found.requests_per_second, used / served * MICROSECONDS)

    async def _served(self, floor: Floor) -> int:
        async with open_channel(floor.target, ca=self.ca) as channel:
            count: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(COUNT)
            return int(await count(b"", timeout=10))


async def measure(stack: StackUnderTest, effort: Effort) -> Table:
    """The pinned set beside the others, with the vault's own certificate.

    A quick one downloads nothing: it knows the pinned set alone. Raises DriverError,
    SetNotMadeError.
    """
    with tempfile.TemporaryDirectory(prefix="splitkeep-floors-") as folder:
        sets = await make_sets(() if effort.quick else CANDIDATES, Path(folder))
        variants = [Variant(one) for one in sets]
        pair = stack.state.key_pair("vault")
        return await compare(variants, pair, Place(stack.ca, Path(folder)), effort)


async def compare(
    variants: Sequence[Variant], pair: KeyPair, place: Place, effort: Effort
) -> Table:
    """One row for each variant; the first is what the others are compared with."""
    bench = Bench(choose_driver("h2load", place), place.ca, effort.seconds / SPLIT)
    async with AsyncExitStack() as stack:
        floors = [
            await stack.enter_async_context(_floor(variant, pair, place.folder / str(number)))
            for number, variant in enumerate(variants)
        ]
        runs: list[Runs] = [{count: [] for count in IN_FLIGHT} for _ in floors]
        await _rounds(bench, floors, runs, 1 if effort.quick else effort.rounds * SPLIT)
    return table(variants, runs, bench.driver.said)


async def _rounds(
    bench: Bench, floors: Sequence[Floor], runs: Sequence[Runs], rounds: int
) -> None:
    for floor in floors:
        await bench.run(floor, JUDGED)  # the first calls of a process cost more
    numbers = list(range(len(floors)))
    for _ in range(rounds):
        for in_flight in IN_FLIGHT:
            random.shuffle(numbers)
            for number in numbers:
                runs[number][in_flight].append(await bench.run(floors[number], in_flight))


@asynccontextmanager
async def _floor(variant: Variant, pair: KeyPair, folder: Path) -> AsyncIterator[Floor]:
    folder.mkdir()  # noqa: ASYNC240  # a small local file
    ready = folder / "ready.json"
    told = {
        "certificate": str(pair.certificate),
        "private_key": str(pair.private_key),
        "ready_file": str(ready),
        "options": list(variant.switch.options.items()),
        "loop": variant.switch.loop,
    }
    program = ROOT / "tests" / "bench" / "floor_server.py"
    experiments = variant.switch.experiments
    async with running(
        [str(variant.grpcio.python), str(program), json.dumps(told)],
        ready=written(ready),
        log=folder / "log",
        environment={"GRPC_EXPERIMENTS": experiments} if experiments else {},
    ) as process:
        port = json.loads(ready.read_text())["port"]
        yield Floor(variant, f"{HOST}:{port}", process.pid)


def own_certificates(folder: Path) -> tuple[KeyPair, Path]:
    """A server's certificate and the authority that signed it."""
    now = SystemClock().now()
    signed = KeyPair(folder / "ca.pem", folder / "ca.key")
    pair = KeyPair(folder / "server.pem", folder / "server.key")
    authority = ensure_authority(signed, name="benchmark", now=now)
    ensure_leaf(pair, authority, names=("localhost", HOST), now=now)
    return pair, signed.certificate


async def _alone(asked: argparse.Namespace, folder: Path) -> Table:
    pair, ca = own_certificates(folder)
    sets = await make_sets(asked.grpcio, asked.keep or folder)
    variants = [Variant(one) for one in sets]
    if asked.switches:
        variants += [Variant(one, switch) for one in sets for switch in SWITCHES]
    effort = QUICK if asked.quick else FULL
    return await compare(variants, pair, Place(ca, folder), effort)


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="splitkeep-floors-") as folder:
        try:
            found = asyncio.run(_alone(asked, Path(folder)))
        except (DriverError, SetNotMadeError) as error:
            print(error, file=sys.stderr)
            return 1
    print(report.table([found.headings, *(tuple(map(shown, row)) for row in found.rows)]))
    print(*found.notes, report.machine(), sep="\n")
    if asked.json is not None:
        asked.json.write_text(json.dumps(asdict(found), indent=2))
    return 0


def shown(cell: Cell) -> str:
    """For a terminal."""
    match cell:
        case None:
            return "-"
        case float() if cell < 10:  # a ratio
            return f"{cell:.2f}"
        case float():
            return f"{cell:.0f}"
        case _:
            return str(cell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.floors", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--grpcio", nargs="*", default=CANDIDATES, help=f"versions, or {LATEST}"
    )
    parser.add_argument("--switches", action="store_true", help="every switch with every set")
    parser.add_argument("--keep", type=Path, help="directory that keeps the environments")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
