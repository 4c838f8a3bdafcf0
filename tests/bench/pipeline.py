"""What a batch costs without a call between processes: both queries and the opening, in one.

The services' own stores, statements and `open_value`, on held connections with prepared
statements; no token, no gRPC, no answer to build. What the services take longer than this is
what two processes and their calls cost.

    python -m tests.bench.pipeline     (told by lines of JSON; see Pipeline)
"""

import asyncio
import json
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.postgres.reader import PostgresReader, load_reader_queries
from tests.bench.measuring import Measurement, measured
from tests.bench.running import ROOT
from tests.bench.seed import secret_names
from tests.bench.under_test import DECRYPTER, NAMESPACE, StackUnderTest
from vault_svc.domain.envelope import ValueContext
from vault_svc.domain.keyring import WrappedDataKey
from vault_svc.domain.sealing import DataKey, open_value
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.ports.keks import Keks
from vault_svc.ports.values import ValueKey
from vault_svc.postgres.sealed_values import PostgresSealedValueStore

MAXIMUM_BYTES = 4 * 1024 * 1024
CONNECTIONS = 10  # as the services hold


@dataclass(frozen=True, slots=True)
class Opener:
    """Both databases and the KEK in one process."""

    reader: PostgresReader
    values: PostgresSealedValueStore
    keks: Keks
    data_keys: dict[tuple[str, str], DataKey] = field(default_factory=dict)

    async def open(self, names: list[str]) -> None:
        """Every name's value has been opened. Raises RuntimeError if one has none."""
        located = await self.reader.locate([(NAMESPACE, name) for name in names])
        keys = {
            ValueKey(namespace, location.value_id): name
            for (namespace, name), location in located.items()
            if DECRYPTER in location.decrypters
        }
        stored = await self.values.read(list(keys), maximum_bytes=MAXIMUM_BYTES)
        opened = 0
        for key, value in stored.values.items():
            data_key = await self._unwrapped(value.data_key)
            context = ValueContext(key.namespace, keys[key], key.value_id)
            opened += len(open_value(value.sealed, context, data_key).reveal()) > 0
        if opened != len(names):
            raise RuntimeError(f"{len(names) - opened} of {len(names)} values did not open")

    async def _unwrapped(self, wrapped: WrappedDataKey) -> DataKey:
        known = (wrapped.namespace, str(wrapped.data_key_id))
        if known not in self.data_keys:
            kek = self.keks.named(wrapped.kek_id)
            key = await kek.unwrap(wrapped.wrapped_key, wrapped.context)
            self.data_keys[known] = DataKey.of(wrapped.namespace, wrapped.data_key_id, key)
        return self.data_keys[known]

    async def run(
        self, *, count: int, names: int, in_flight: int, seconds: float
    ) -> Measurement:
        """Batches of `names` out of `count`, `in_flight` at a time."""
        every, latencies = secret_names(count), list[float]()
        began = time.monotonic()

        async def open_one_after_another() -> None:
            while not latencies or time.monotonic() < began + seconds:
                started = time.monotonic()
                await self.open(random.sample(every, names))
                latencies.append(time.monotonic() - started)

        async with asyncio.TaskGroup() as opening:
            for _ in range(in_flight):
                opening.create_task(open_one_after_another())
        return measured(began, time.monotonic(), latencies)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The running program: each line asks for a run, and is answered by a line."""

    process: asyncio.subprocess.Process

    async def run(self, **asked: Any) -> Measurement:
        """See Opener.run. Raises RuntimeError if the program has ended."""
        return Measurement(**await self.ask(asked))

    async def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        writer, reader = self.process.stdin, self.process.stdout
        if writer is None or reader is None:
            raise RuntimeError("the pipeline has no lines to be asked by")
        writer.write(json.dumps(asked).encode() + b"\n")
        await writer.drain()
        answer = await reader.readline()
        if not answer:
            raise RuntimeError("the pipeline ended; its words are above")
        found: dict[str, Any] = json.loads(answer)
        return found


@asynccontextmanager
async def pipeline_beside(stack: StackUnderTest) -> AsyncIterator[Pipeline]:
    """The program runs on the stack's own databases and KEK. Raises RuntimeError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.pipeline"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    pipeline = Pipeline(process)
    try:
        # By a line: arguments and environment can be read from the process table.
        told = {
            "metadata": stack.metadata_dsn.reveal(),
            "vault": stack.vault_dsn.reveal(),
            "keks": str(stack.state.kek_file),
        }
        await pipeline.ask(told)
        yield pipeline
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def serve() -> None:
    """Answers line by line until it is ended."""
    told = json.loads(await asyncio.to_thread(sys.stdin.readline))
    metadata, vault = [
        await Database.connect(
            Sensitive(told[name]), application_name="pipeline", connections=CONNECTIONS
        )
        for name in ("metadata", "vault")
    ]
    opener = Opener(
        PostgresReader(metadata, load_reader_queries()),
        PostgresSealedValueStore(vault),
        load_keks(Path(told["keks"]), secrets.token_bytes),
    )
    answer: dict[str, Any] = {}
    while True:
        print(json.dumps(answer), flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        answer = asdict(await opener.run(**json.loads(line)))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
