"""Load made by h2load (Debian: nghttp2-client) where there is no ghz.

- h2load sends one body for as long as it runs: every run draws another.
- It counts HTTP statuses, and an error of gRPC is an HTTP 200 as well: gRPC's are read from the
  server's counters (tests/bench/statuses.py).
- It takes the token on its command line, which other users of the machine can see, and does not
  verify the server's certificate: it is for development stacks.
- Percentiles come from its log of single requests. It is given a number of requests, not a
  time, so that the last calls are answered and not cut off; the run before says how many.
"""

import asyncio
import random
import struct
import tempfile
from pathlib import Path

from tests.bench.measuring import Driver, DriverError, Load, Measurement, measured

MICROSECONDS = 1_000_000
FIRST_GUESS_PER_PLACE = 10
HTTP_OK = b"200"
SHOWN_OF_AN_ERROR = 2_000

Reached = dict[tuple[str, str, int], float]


class H2load(Driver):
    """See the module and Driver."""

    def __init__(self, program: str, version: str) -> None:
        self._program, self._version = program, version
        self._reached: Reached = {}

    @property
    def said(self) -> str:
        return f"ghz is not installed: {self._version} with the same payloads"

    async def run(self, load: Load) -> Measurement:
        rate = load.rate or await self._reached_before(load)
        return await self._send(load, max(load.in_flight, round(rate * load.seconds)))

    async def _reached_before(self, load: Load) -> float:
        key = (load.target, load.config, load.in_flight)
        if key not in self._reached:
            first = await self._send(load, FIRST_GUESS_PER_PLACE * load.in_flight)
            self._reached[key] = first.requests_per_second
        return self._reached[key]

    async def _send(self, load: Load, requests: int) -> Measurement:
        with tempfile.TemporaryDirectory() as folder:
            body, log = Path(folder) / "body", Path(folder) / "log"
            body.write_bytes(framed(random.choice(load.messages)))
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments(load, requests, body, log),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await process.communicate()
            if process.returncode != 0 or not log.exists():
                raise DriverError(output.decode(errors="replace")[:SHOWN_OF_AN_ERROR])
            measurement = parse_log(log.read_bytes())
        if load.rate is None:
            key = (load.target, load.config, load.in_flight)
            self._reached[key] = measurement.requests_per_second
        return measurement


def framed(message: bytes) -> bytes:
    """A gRPC body of one uncompressed message: a flag, its length in four bytes, itself."""
    return struct.pack(">BI", 0, len(message)) + message


def arguments(load: Load, requests: int, body: Path, log: Path) -> list[str]:
    """h2load's command line: one connection, one thread, a gRPC call's headers."""
    paced = [] if load.rate is None else [f"--rps={max(1, round(load.rate))}"]
    return [
        *(
            f"--requests={requests}",
            "--clients=1",
            f"--max-concurrent-streams={load.in_flight}",
        ),
        *paced,
        f"--data={body}",
        f"--log-file={log}",
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        *("-H", "grpc-timeout: 20S"),
        *("-H", f"x-access-token: {load.token.reveal()}"),
        f"https://{load.target}/{load.method}",
    ]


def parse_log(log: bytes) -> Measurement:
    """From lines of: start in µs since 1970, HTTP status, µs until the end of the answer.

    Raises DriverError if a request failed or none was sent.
    """
    lines = [line.split(b"\t") for line in log.splitlines()]
    failed = sum(1 for line in lines if line[1] != HTTP_OK)
    if failed:
        raise DriverError(f"{failed} of {len(lines)} requests had no HTTP 200")
    starts = [int(line[0]) for line in lines]
    lasted = [int(line[2]) for line in lines]
    ends = [start + took for start, took in zip(starts, lasted, strict=True)]
    return measured(
        min(starts, default=0) / MICROSECONDS,
        max(ends, default=0) / MICROSECONDS,
        [took / MICROSECONDS for took in lasted],
    )
