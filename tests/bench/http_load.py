"""Load over HTTP for a server that is not ours, by h2load; every HTTP status is counted.

As with gRPC, the token is on the tool's command line: these are for one run and throw-away.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.sensitive import Sensitive
from tests.bench.counting import Sample
from tests.bench.measuring import MILLISECONDS, DriverError, measured
from tests.bench.running import MICROSECONDS

GOOD = b"2"  # an HTTP status of 200 to 299
SHOWN_OF_AN_ERROR = 2_000
LEAST_SECONDS = 1  # the first answers may come late, and those cut off at the end are none


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLoad:
    """Requests `in_flight` at a time over some connections, for some seconds.

    The paths are asked for in turn; with a body, it is posted to the first.
    """

    url: str
    paths: Sequence[str]
    header: str
    token: Sensitive[str]
    in_flight: int
    seconds: float
    connections: int = 1
    body: bytes | None = None


async def send(load: HttpLoad) -> Sample:
    """What was answered; whatever was no 2xx is counted. Raises DriverError."""
    program = shutil.which("h2load")
    if program is None:
        raise DriverError("h2load is not on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            _run(program, arguments(load, number, Path(folder)), Path(folder) / f"log-{number}")
            for number in range(load.connections)
        ]
        return parse(b"".join(await asyncio.gather(*runs)))


async def _run(program: str, given: Sequence[str], log: Path) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(program, f"--log-file={log}", *given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise DriverError(output.decode(errors="replace")[:SHOWN_OF_AN_ERROR])
    return log.read_bytes()  # noqa: ASYNC240  # a small local file


def arguments(load: HttpLoad, number: int, folder: Path) -> list[str]:
    """The command line of one connection; the files that it names are written."""
    streams = len(range(number, load.in_flight, load.connections))
    given = [
        *("--clients=1", f"--max-concurrent-streams={streams}"),
        f"--duration={round(max(load.seconds, LEAST_SECONDS) * MILLISECONDS)}ms",
        *("-H", f"{load.header}: {load.token.reveal()}"),
    ]
    if load.body is not None:
        body = folder / f"body-{number}"
        body.write_bytes(load.body)
        return [*given, f"--data={body}", f"{load.url}/{load.paths[0]}"]
    paths = folder / f"paths-{number}"
    shift = number * len(load.paths) // load.connections  # each begins somewhere else
    order = [*load.paths[shift:], *load.paths[:shift]]
    paths.write_text("".join(f"{load.url}/{path}\n" for path in order))
    return [*given, f"--input-file={paths}"]


def parse(log: bytes) -> Sample:
    """From lines of: start in µs since 1970, HTTP status, µs until the end of the answer."""
    lines = [line.split(b"\t") for line in log.splitlines()]
    good = [(int(start), int(took)) for start, status, took in lines if status.startswith(GOOD)]
    found = measured(
        min((start for start, _ in good), default=0) / MICROSECONDS,
        max((start + took for start, took in good), default=0) / MICROSECONDS,
        [took / MICROSECONDS for _, took in good],
    )
    return Sample(found, not_ok=len(lines) - len(good))
