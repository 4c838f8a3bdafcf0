"""Load on the decrypt path, beside an empty call through the same server.

    .venv/bin/python -m tests.bench.load                 a stack of its own, erased at the end
    .venv/bin/python -m tests.bench.load --state .splitkeep    the stack that runs there
    .venv/bin/python -m tests.bench.load --state .splitkeep --prepare
                                                          only what ghz needs, for use by hand

See docs/load-testing.md for what the columns mean. The exit code is 1 if any call or name went
wrong.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splitkeep.files import private_directory, write_json
from tests.bench import report
from tests.bench.cases import (
    BATCH,
    DECRYPT,
    UPDATE,
    Case,
    Sample,
    decrypt_messages,
    measure,
    write_messages,
)
from tests.bench.check import check_values
from tests.bench.control import Control, control_beside
from tests.bench.drivers.choice import NAMES, choose_driver
from tests.bench.measuring import Driver, DriverError, Load, Place
from tests.bench.seed import copy_rows, create_secrets, random_batches
from tests.bench.under_test import StackUnderTest, running_state, stack_under_test

CONCURRENCIES = (1, 8, 32)
BATCHES_IN_FLIGHT = 8
WRITES_IN_FLIGHT = 2
SHARE_OF_WRITES = 0.1
# The mix runs at half the speed that single calls reached: its latencies are those of a service
# that is used, not of one that is overrun.
MIXED_SHARE_OF_SINGLE = 0.5


@dataclass(frozen=True, slots=True)
class Effort:
    """How long it takes: rows in the table, rounds, seconds a case."""

    rows: int
    rounds: int
    seconds: float


FULL = Effort(rows=100_000, rounds=5, seconds=3)
QUICK = Effort(rows=1_000, rounds=1, seconds=0.3)


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything a round needs."""

    stack: StackUnderTest
    control: Control
    driver: Driver
    seconds: float

    async def round(self) -> list[Sample]:
        """Every case once, each single one right after the control it is compared with."""
        samples: list[Sample] = []
        for in_flight in CONCURRENCIES:
            samples += await self._control(in_flight)
            samples += await self._decrypt(Case("single", in_flight, 1), "single")
        samples += await self._decrypt(
            Case(f"batch of {BATCH}", BATCHES_IN_FLIGHT, BATCH), "batch"
        )
        return samples + await self._mixed(_speed(samples, "single", BATCHES_IN_FLIGHT))

    async def _control(self, in_flight: int) -> list[Sample]:
        case = Case(report.CONTROL, in_flight, 0)
        load = self._load(case, "single", target=self.control.target)
        return await measure(self.driver, (self.control.operations,), [(case, load)])

    async def _decrypt(self, case: Case, config: str) -> list[Sample]:
        load = self._load(case, config)
        return await measure(self.driver, self.stack.operations, [(case, load)])

    async def _mixed(self, single_speed: float) -> list[Sample]:
        speed = single_speed * MIXED_SHARE_OF_SINGLE
        reads = Case("mixed: 90 % decrypt", BATCHES_IN_FLIGHT, 1, paced=True)
        writes = Case("mixed: 10 % write", WRITES_IN_FLIGHT, 0, paced=True)
        loads = [
            (reads, self._load(reads, "mixed-decrypt", rate=speed * (1 - SHARE_OF_WRITES))),
            (writes, self._load(writes, "mixed-write", rate=speed * SHARE_OF_WRITES)),
        ]
        return await measure(self.driver, self.stack.operations, loads)

    def _load(
        self, case: Case, config: str, *, target: str | None = None, rate: float | None = None
    ) -> Load:
        writing = config == "mixed-write"
        return Load(
            config=config,
            target=target or self.stack.vault,
            method=UPDATE if writing else DECRYPT,
            token=self.stack.writer if writing else self.stack.decrypter,
            messages=write_messages() if writing else decrypt_messages(case.names or 1),
            in_flight=case.in_flight,
            seconds=self.seconds,
            rate=rate,
        )


def _speed(samples: Sequence[Sample], label: str, in_flight: int) -> float:
    return next(
        sample.measurement.requests_per_second
        for sample in samples
        if (sample.case.label, sample.case.in_flight) == (label, in_flight)
    )


async def prepare(stack: StackUnderTest, folder: Path, rows: int) -> None:
    """The stack holds what is asked for, and `folder` the files that ghz is pointed to."""
    private_directory(folder)
    for name, token in (("decrypter", stack.decrypter), ("writer", stack.writer)):
        write_json(folder / f"{name}.json", {"x-access-token": token.reveal()})
    write_json(folder / "batch.json", random_batches(BATCH))
    await create_secrets(stack)
    await copy_rows(stack, rows)
    await check_values(stack)


async def bench(
    stack: StackUnderTest, folder: Path, effort: Effort, wanted: str | None
) -> tuple[list[report.Row], str]:
    """The table's rows and the tool that made the load. Raises DriverError."""
    driver = choose_driver(wanted, Place(stack.ca, folder))
    print(driver.said, flush=True)
    await prepare(stack, folder, effort.rows)
    async with control_beside(stack, folder) as control:
        measured = Bench(stack, control, driver, effort.seconds)
        rounds = [await measured.round() for _ in range(effort.rounds)]
    await check_values(stack)
    return report.rows(rounds), driver.said


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    effort = QUICK if asked.quick else FULL
    with stack_under_test(asked.state) as stack:
        folder = stack.state.directory / "load"
        if asked.prepare:
            asyncio.run(prepare(stack, folder, effort.rows))
            return 0
        try:
            rows, driver = asyncio.run(bench(stack, folder, effort, asked.driver))
        except DriverError as error:
            print(error, file=sys.stderr)
            return 1
    print(report.table([report.HEADINGS, *(row.cells() for row in rows)]))
    print(f"{effort.rounds} rounds of {effort.seconds} s a case; {report.machine()}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(report.as_json(rows, driver), indent=2))
    return 1 if any(row.not_ok for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--state", type=running_state, help="directory of a running stack")
    parser.add_argument("--driver", choices=NAMES, help="default: the first that is installed")
    parser.add_argument("--quick", action="store_true", help="one short round, few rows")
    parser.add_argument("--prepare", action="store_true", help="seed and write files, no load")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
