"""From a Postgres that is up, and nothing else, to the first secret.

Both services are started at once, as `python -m` starts them. The client tries again and
again, each time over a new connection: one that waits would measure its own patience.
How long each part took is seen from outside, so that the programs are the real ones: Postgres
knows when its first connection came, the ready file when the ports were open. What the
interpreter and the imports take is measured by themselves, for both services at once as well.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import asyncpg

from chassis.clock import SystemClock
from chassis.errors import KnownError
from chassis.grpc_client import call, open_channel
from protos.decryptv1beta1.decrypt_pb2 import SecureValueDecryptRequest
from protos.decryptv1beta1.decrypt_pb2_grpc import SecureValueDecrypterStub
from tests.bench.bench import Bench
from tests.bench.bulk import seed_secrets
from tests.bench.measuring import MILLISECONDS
from tests.bench.memory import children
from tests.bench.own_stack import DecryptStack, own_stack
from tests.bench.running import ROOT, cpu_seconds
from tests.bench.seed import secret_name, value_of
from tests.bench.tables import Bound, Cell, Promise, Table
from tests.bench.under_test import NAMESPACE, StackUnderTest

NAME = "cold_start"
STARTS = 5
LIMIT_SECONDS = 3
SERVICES = ("metadata", "vault")
FIRST_CONNECTION = "SELECT min(backend_start) FROM pg_stat_activity WHERE application_name = $1"
PAUSE_SECONDS, PATIENCE_SECONDS, TRY_SECONDS = 0.02, 60, 5
INTERPRETER, IMPORTS = "pass", "import {0}_svc.__main__, {0}_svc.serving"
HEADINGS = ("part", *(f"{service} ms" for service in SERVICES))

NOTES = (
    (
        "Both services at once, as `python -m` starts them; medians of the parts, so that they "
        "add up only nearly. The files were read before, and Postgres had been asked."
    ),
    (
        "The rest before the first connection is configuration, keys and event loop, and what "
        "imports take longer while another process does something else; with several workers "
        "the supervisor too."
    ),
    (
        "From there: the database answers, the schema is checked, certificates and keys for "
        "tokens are read, gRPC begins to listen. The last part: a TLS handshake on both lines, "
        "a token's verification, the data key and the decrypt itself."
    ),
)

ByService = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took, in seconds from its beginning; processor time beside it."""

    asked: ByService  # until the database had the first connection
    ready: ByService  # until the ports were open
    decrypted: float
    cpu: ByService
    # Each by itself, just before.
    interpreter: ByService
    imports: ByService


async def measure(bench: Bench) -> Table:
    times = 1 if bench.effort.quick else STARTS
    workers = {name: len(children(bench.stack.pids[name])) or 1 for name in SERVICES}
    async with own_stack(
        vault_workers=workers["vault"], metadata_workers=workers["metadata"]
    ) as stack:
        await seed_secrets(stack.under_test(), 1)
        starts = [await _start(stack) for _ in range(times)]
    return _table(starts)


async def _at_once(text: str) -> dict[str, float]:
    """What an interpreter takes for it, one of each service at the same time."""

    async def run(service: str) -> float:
        began = time.perf_counter()
        command = (sys.executable, "-c", text.format(service))
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        if await process.wait() != 0:
            raise RuntimeError(f"{service} cannot be imported")
        return time.perf_counter() - began

    took = await asyncio.gather(*map(run, SERVICES))
    return dict(zip(SERVICES, took, strict=True))


async def _start(stack: DecryptStack) -> Start:
    await stack.stop_services()
    interpreter, imports = await _at_once(INTERPRETER), await _at_once(IMPORTS)
    for service in stack.services:
        service.ready_file.unlink()
    clock_began, began = SystemClock().now(), time.perf_counter()
    await asyncio.gather(*(service.child.start() for service in stack.services))
    await _first_decrypt(stack.under_test())
    decrypted = time.perf_counter() - began
    cpu = {service.name: _cpu_seconds(service.pid) for service in stack.services}
    await asyncio.gather(*(service.until_ready() for service in stack.services))
    asked = await _first_connections(stack.under_test())
    ready = {service.name: service.ready_file.stat().st_mtime for service in stack.services}
    return Start(
        asked={name: (at - clock_began).total_seconds() for name, at in asked.items()},
        ready={name: at - clock_began.timestamp() for name, at in ready.items()},
        decrypted=decrypted,
        cpu=cpu,
        interpreter=interpreter,
        imports=imports,
    )


async def _first_decrypt(stack: StackUnderTest) -> None:
    """A decrypt was answered with its value. Raises RuntimeError, TimeoutError."""
    name = secret_name(0)
    request = SecureValueDecryptRequest(namespace=NAMESPACE, names=[name])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with open_channel(stack.vault, ca=stack.ca) as channel:
                decrypt = SecureValueDecrypterStub(channel).DecryptSecureValues
                try:
                    answer = await call(
                        decrypt, request, deadline_seconds=TRY_SECONDS, token=stack.decrypter
                    )
                except KnownError:
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
            if answer.decrypted_values[name].value != value_of(name):
                raise RuntimeError("the first decrypt was not answered with its value")
            return


def _cpu_seconds(pid: int) -> float:
    return sum(map(cpu_seconds, (pid, *children(pid))))


async def _first_connections(stack: StackUnderTest) -> dict[str, datetime]:
    """When each database had the first connection of its service."""
    found = {}
    dsns = (stack.metadata_dsn, stack.vault_dsn)
    for service, dsn in zip(SERVICES, dsns, strict=True):
        connection = await asyncpg.connect(dsn.reveal())
        try:
            name = f"{service}_svc"
            found[service] = await connection.fetchval(FIRST_CONNECTION, name)
        finally:
            await connection.close()
    return found


def _table(starts: Sequence[Start]) -> Table:
    return Table(
        name=NAME,
        title="Cold start",
        headings=HEADINGS,
        rows=_rows(starts),
        notes=NOTES,
        promises=(
            Promise(
                "seconds from the start of both services to the first decrypt, Postgres up",
                Bound.AT_MOST,
                LIMIT_SECONDS,
                median(start.decrypted for start in starts),
            ),
        ),
    )


def _rows(starts: Sequence[Start]) -> list[Sequence[Cell]]:
    opened = median(start.decrypted - max(start.ready.values()) for start in starts)
    decrypted = median(start.decrypted for start in starts)
    return [
        _row("an interpreter that does nothing", starts, lambda s, name: s.interpreter[name]),
        _row("the imports", starts, lambda s, name: s.imports[name] - s.interpreter[name]),
        _row(
            "rest before the first connection",
            starts,
            lambda s, name: s.asked[name] - s.imports[name],
        ),
        _row("from there to open ports", starts, lambda s, name: s.ready[name] - s.asked[name]),
        ("from there to the first decrypt", None, opened * MILLISECONDS),
        ("all, to the first decrypt", None, decrypted * MILLISECONDS),
        _row("processor time meanwhile", starts, lambda s, name: s.cpu[name]),
    ]


def _row(
    part: str, starts: Sequence[Start], seconds: Callable[[Start, str], float]
) -> list[Cell]:
    medians = (median(seconds(start, name) for start in starts) for name in SERVICES)
    return [part, *(figure * MILLISECONDS for figure in medians)]
