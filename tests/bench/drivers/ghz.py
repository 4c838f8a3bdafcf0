"""Load made by ghz.

What depends on the run is in files, the token too: what is on a command line can be read from
the process table. For use by hand there are configurations in tests/bench/ghz/.
"""

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from chassis.reflection import Files
from splitkeep.files import write_json
from tests.bench.measuring import MILLISECONDS, Driver, DriverError, Load, Measurement, Place

ROOT = Path(__file__).resolve().parents[3]
DEADLINE = "20s"
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
        with tempfile.TemporaryDirectory(dir=self._place.folder) as folder:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments(load, self._place.ca, Path(folder)),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
        if process.returncode != 0:
            raise DriverError(errors.decode(errors="replace")[:SHOWN_OF_AN_ERROR])
        return parse(output)


def arguments(load: Load, ca: Path, folder: Path) -> list[str]:
    """ghz's command line; the files that it names are written."""
    write_json(folder / "token.json", {"x-access-token": load.token.reveal()})
    write_json(folder / "messages.json", as_json(load.messages))
    (folder / "protoset").write_bytes(described(load.messages[0]))
    flags = {
        "protoset": folder / "protoset",
        "call": load.method,
        "cacert": ca,
        "metadata-file": folder / "token.json",
        "data-file": folder / "messages.json",
        "connections": load.connections,
        "concurrency": load.in_flight,
        "duration": f"{round(load.seconds * MILLISECONDS)}ms",
        "duration-stop": "wait",
        "timeout": DEADLINE,
        "format": "json",
    }
    if load.rate is not None:
        flags["rps"] = max(1, round(load.rate))
    return [*(f"--{name}={value}" for name, value in flags.items()), load.target]


def described(message: Message) -> bytes:
    """The file of the message with all that it imports: not every server has reflection."""
    file = message.DESCRIPTOR.file
    files = Files([file]).named(file.name)
    parsed = [FileDescriptorProto.FromString(content) for content in reversed(files)]
    return FileDescriptorSet(file=parsed).SerializeToString()


def as_json(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in another order each time: ghz takes one after the other."""
    return [
        MessageToDict(message, preserving_proto_field_name=True)
        for message in random.sample(messages, len(messages))
    ]


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
