"""Measures the stack and says how fast it is, each figure beside its control.

    .venv/bin/python -m tests.bench                      a stack of its own, erased at the end
    .venv/bin/python -m tests.bench --state .splitkeep   the stack that runs there
    .venv/bin/python -m tests.bench --only single batch  these subjects alone
    .venv/bin/python -m tests.bench --publish            writes docs/performance.* too
    .venv/bin/python -m tests.bench --state .splitkeep --prepare
                                                         only what ghz by hand needs

See docs/load-testing.md. The exit code is 1 if a call or a name went wrong, a subject could not
be measured, or, unless --quick, a promise was not kept.
"""

import argparse
import asyncio
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chassis.clock import SystemClock
from tests.bench import page
from tests.bench.bench import Bench, Wish, prepare, prepared
from tests.bench.drivers.choice import NAMES as DRIVERS
from tests.bench.measuring import DriverError
from tests.bench.memory import children
from tests.bench.report import (
    Finding,
    OtherSurroundingsError,
    Report,
    Surroundings,
    as_text,
    finding,
    promises_as_text,
    surroundings,
)
from tests.bench.subjects import NAMES, SUBJECTS
from tests.bench.tables import FULL, QUICK, Effort
from tests.bench.under_test import StackUnderTest, running_state, stack_under_test

SERVICES = ("vault", "metadata")


async def measured(bench: Bench, names: Sequence[str]) -> list[Finding]:
    """What the subjects found; one that could not be measured is told and left out."""
    findings: list[Finding] = []
    for subject in SUBJECTS:
        if subject.name not in names:
            continue
        began, load_average = SystemClock().now(), os.getloadavg()[0]
        try:
            table = await subject.measure(bench)
        except Exception:  # noqa: BLE001  # the others took minutes, and are not lost for it
            print(f"{subject.name} could not be measured:", file=sys.stderr)
            traceback.print_exc()
            continue
        findings.append(finding(table, began, load_average))
        print(as_text(table))
        if not bench.effort.quick and table.promises:
            print(promises_as_text(table))
        sys.stdout.flush()
    return findings


def around(bench: Bench) -> Surroundings:
    """What its figures will depend on."""
    workers = {name: len(children(bench.stack.pids[name])) or 1 for name in SERVICES}
    return surroundings(
        bench.effort,
        load_by=bench.driver.said,
        workers=workers,
        connections=bench.connections,
    )


async def run(stack: StackUnderTest, effort: Effort, asked: argparse.Namespace) -> Report:
    wish = Wish(driver=asked.driver, connections=asked.connections)
    async with prepared(stack, effort, wish) as bench:
        print(bench.driver.said, flush=True)
        report = Report(surroundings=around(bench), findings=[])
        if asked.publish and asked.only is not NAMES:
            page.beside_published(report)  # now, and not after minutes
        return replace(report, findings=await measured(bench, asked.only))


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.publish and asked.quick:
        parser.error("a quick run measures nothing: it is not published")
    effort = QUICK if asked.quick else FULL
    if asked.state is not None and asked.workers is not None:
        parser.error("--workers is for a stack of its own; the one that runs has its workers")
    with stack_under_test(asked.state, **_settings(asked.workers or (1, 1))) as stack:
        if asked.prepare:
            asyncio.run(prepare(stack, effort))
            return 0
        try:
            report = asyncio.run(run(stack, effort, asked))
        except (DriverError, OtherSurroundingsError) as error:
            print(error, file=sys.stderr)
            return 1
    if asked.json is not None:
        report.write(asked.json)
    if asked.publish:
        page.publish(report if asked.only is NAMES else page.beside_published(report))
    return 0 if _good(report, asked) else 1


def _good(report: Report, asked: argparse.Namespace) -> bool:
    promises = [promise for found in report.findings for promise in found.table.promises]
    kept = asked.quick or all(promise.kept for promise in promises)
    whole = len(report.findings) == len(asked.only)
    return kept and whole and not any(found.not_ok for found in report.findings)


def _settings(workers: Sequence[int]) -> dict[str, str]:
    """What a stack of its own is told."""
    return {
        f"SPLITKEEP_{service.upper()}_WORKERS": str(count)
        for service, count in zip(SERVICES, workers, strict=True)
    }


def _workers(text: str) -> tuple[int, int]:
    """Of the vault and of metadata. Raises ValueError."""
    vault, metadata = map(int, text.split(","))
    return vault, metadata


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--state", type=running_state, help="directory of a running stack")
    parser.add_argument("--quick", action="store_true", help="one short round, few rows")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES)
    )
    parser.add_argument(
        "--driver", choices=DRIVERS, help="default: the first that is installed"
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        metavar="V,M",
        help="worker processes of vault and metadata in a stack of its own (default 1,1)",
    )
    parser.add_argument(
        "--connections",
        type=int,
        help="at most, for one load (default 1, or 8 if the vault has several workers)",
    )
    parser.add_argument("--prepare", action="store_true", help="seed and write files, no load")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--publish", action="store_true", help="write docs/performance.*")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
