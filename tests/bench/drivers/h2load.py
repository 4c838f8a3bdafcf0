"""Load made by h2load (Debian: nghttp2-client) where there is no ghz.

- h2load sends one body for as long as it runs: each connection is a process of its own with
  another message, and every run draws others.
- It counts HTTP statuses, and an error of gRPC is an HTTP 200 as well: gRPC's are read from the
  server's counters (tests/bench/statuses.py).
- It stops at the end of its time: the calls then under way are cut off, and are no result.
- It paces calls by the clock, so that late ones are made up for, but looks at it every 10 ms:
  a rate is spread on enough connections (PACED_PER_CONNECTION) that each begins one at a time.
- It takes the token on its command line, which other users of the machine can see, and does not
  verify the server's certificate: it is for development stacks.
"""

import asyncio
import random
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench.measuring import (
    MILLISECONDS,
    Driver,
    DriverError,
    Load,
    Measurement,
    measured,
)

MICROSECONDS = 1_000_000
HTTP_OK = b"200"
SHOWN_OF_AN_ERROR = 2_000
LONGEST_SECONDS = 30


class H2load(Driver):
    """See the module and Driver."""

    def __init__(self, program: str, version: str) -> None:
        self._program, self._version = program, version

    @property
    def said(self) -> str:
        return f"{self._version} (ghz is not installed)"

    async def run(self, load: Load) -> Measurement:
        log = await self._log(load)
        while not log and load.seconds < LONGEST_SECONDS:  # no call ended within its time
            load = replace(load, seconds=load.seconds * 4)
            log = await self._log(load)
        return parse_log(log)

    async def _log(self, load: Load) -> bytes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            runs = [
                run(self._program, arguments(load, number, folder), folder / f"log-{number}")
                for number in range(load.connections)
            ]
            return b"".join(await asyncio.gather(*runs))


async def run(program: str, given: Sequence[str], log: Path) -> bytes:
    """h2load's log, once it has ended. Raises DriverError."""
    process = await asyncio.create_subprocess_exec(
        *(program, f"--log-file={log}", *given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0 or not log.exists():  # noqa: ASYNC240  # a small local file
        raise DriverError(output.decode(errors="replace")[:SHOWN_OF_AN_ERROR])
    return log.read_bytes()  # noqa: ASYNC240  # the same


def framed(message: bytes) -> bytes:
    """A gRPC body of one uncompressed message: a flag, its length in four bytes, itself."""
    return struct.pack(">BI", 0, len(message)) + message


def arguments(load: Load, number: int, folder: Path) -> list[str]:
    """The command line of one connection; the files that it names are written."""
    body = folder / f"body-{number}"
    body.write_bytes(framed(random.choice(load.messages).SerializeToString()))
    streams = len(range(number, load.in_flight, load.connections))
    return [
        *("--clients=1", f"--max-concurrent-streams={streams}", f"--data={body}"),
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        *("-H", "grpc-timeout: 20S"),
        *("-H", f"x-access-token: {load.token.reveal()}"),
        *_for_how_long(load, number),
        f"https://{load.target}/{load.method}",
    ]


def _for_how_long(load: Load, number: int) -> tuple[str, ...]:
    if load.rate is None:
        return (f"--duration={round(load.seconds * MILLISECONDS)}ms",)
    calls = max(load.connections, round(load.rate * load.seconds))
    own = len(range(number, calls, load.connections))
    return f"--requests={own}", f"--rps={load.rate / load.connections:g}"


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
