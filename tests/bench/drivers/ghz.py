"""Load made by ghz, from the configurations in tests/bench/ghz/.

Only what differs from run to run is overridden by flags. Names are drawn by ghz itself: through
a template in the single-name configurations, from a file of drawn batches in the other. Tokens
are in files as well: what is on a command line can be read from the process table.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.bench.measuring import MILLISECONDS, Driver, DriverError, Load, Measurement, Place

ROOT = Path(__file__).resolve().parents[3]
CONFIGURATIONS = ROOT / "tests" / "bench" / "ghz"
FILES = {"metadata-file", "data-file"}  # written by tests/bench/load.py before any run
NANOSECONDS = 1_000_000_000
SHOWN_OF_AN_ERROR = 2_000


class Ghz(Driver):
    """See the module and Driver."""

    def __init__(self, program: str, version: str, place: Place) -> None:
        self._program, self._version, self._place = program, version, place

    @property
    def said(self) -> str:
        return f"ghz {self._version}"

    async def run(self, load: Load) -> Measurement:
        process = await asyncio.create_subprocess_exec(
            self._program,
            *self._flags(load),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise DriverError(errors.decode(errors="replace")[:SHOWN_OF_AN_ERROR])
        return parse(output)

    def _flags(self, load: Load) -> list[str]:
        configuration = CONFIGURATIONS / f"{load.config}.json"
        flags = {
            "config": configuration,
            "cacert": self._place.ca,
            "concurrency": load.in_flight,
            "duration": f"{round(load.seconds * MILLISECONDS)}ms",
            "format": "json",
        }
        said = json.loads(configuration.read_bytes())
        for name in FILES & said.keys():
            flags[name] = self._place.folder / Path(said[name]).name
        if load.rate is not None:
            flags["rps"] = max(1, round(load.rate))
        return [*(f"--{name}={value}" for name, value in flags.items()), load.target]


def parse(output: bytes) -> Measurement:
    """What ghz's JSON report says. Raises DriverError."""
    report: dict[str, Any] = json.loads(output)
    latencies = {
        entry["percentage"]: entry["latency"] / NANOSECONDS * MILLISECONDS
        for entry in report["latencyDistribution"] or ()
    }
    if not latencies:
        raise DriverError(f"no call succeeded: {report['errorDistribution']}")
    return Measurement(
        requests=report["count"],
        seconds=report["total"] / NANOSECONDS,
        p50_ms=latencies[50],
        p99_ms=latencies.get(99, max(latencies.values())),
    )
