"""Processor time of every process that a decrypt passes through, while it is loaded (Linux).

Of a service the main thread, which runs Python, is told from gRPC's own threads; of Postgres
the backends of each service.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import asyncpg

from chassis.sensitive import Sensitive
from tests.bench.bench import Bench
from tests.bench.counting import Part, not_ok
from tests.bench.memory import children
from tests.bench.statuses import Counts

MAIN, OTHERS = "main", "others"
SERVICES = ("vault", "metadata")
CONTROL = "control"
NANOSECONDS_PER_MICROSECOND = 1_000
RESOLVE = "splitkeep.metadata.v1.VaultPeer/Resolve"
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = $1"

# By process and thread, in microseconds.
Spent = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Processes:
    """Whose time is taken, by name."""

    pids: Mapping[str, list[int]]

    @classmethod
    async def of(cls, bench: Bench) -> Self:
        """The services' workers, the control's, and the backends that there are now."""
        pids = {name: _workers(bench.stack.pids[name]) for name in SERVICES}
        pids[CONTROL] = [pid for pid in children(os.getpid()) if _is_control(pid)]
        dsns = {"vault": bench.stack.vault_dsn, "metadata": bench.stack.metadata_dsn}
        for name, dsn in dsns.items():
            pids[postgres_of(name)] = await _backends(dsn, f"{name}_svc")
        return cls(pids)

    def spent(self) -> dict[tuple[str, str], float]:
        """Up to now."""
        found: dict[tuple[str, str], float] = {}
        for name, pids in self.pids.items():
            for pid in pids:
                for thread, microseconds in _threads(pid):
                    key = name, MAIN if thread == pid else OTHERS
                    found[key] = found.get(key, 0) + microseconds
        return found


@dataclass(frozen=True, slots=True)
class Run:
    """One load: what each call took of each thread, and how many calls shared a batch."""

    spent: Spent
    calls_a_batch: float
    not_ok: int


async def decrypting(bench: Bench, names: int, in_flight: int, seconds: float) -> Run:
    load = bench.decrypting(names=names, in_flight=in_flight, seconds=seconds)
    return await _run(bench, Part(load, names), bench.stack.operations)


async def empty(bench: Bench, in_flight: int, seconds: float) -> Run:
    """The control, loaded alike."""
    load = bench.decrypting(in_flight=in_flight, seconds=seconds)
    part = Part(replace(load, target=bench.control.target))
    return await _run(bench, part, bench.control.operations)


async def _run(bench: Bench, part: Part, operations: Sequence[str]) -> Run:
    """Counters are read before the first look at the time spent and after the last."""
    counts, processes = await Counts.read(operations), await Processes.of(bench)
    before = processes.spent()
    found = await bench.driver.run(part.load)
    after = processes.spent()
    grown = (await Counts.read(operations)).since(counts)
    calls = max(1, grown.served(part.load.method))
    spent = {key: (late - before.get(key, 0)) / calls for key, late in after.items()}
    batch = calls / max(1, grown.served(RESOLVE))
    return Run(spent, batch, not_ok(part, found.requests, grown))


def postgres_of(service: str) -> str:
    return f"Postgres of {service}"


def _workers(pid: int) -> list[int]:
    return children(pid) or [pid]


def _is_control(pid: int) -> bool:
    with suppress(OSError):
        return b"tests.bench.control_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _threads(pid: int) -> list[tuple[int, float]]:
    """Each thread's id and its processor time; nothing of what has ended."""
    found = []
    for folder in Path(f"/proc/{pid}/task").glob("[0-9]*"):
        with suppress(OSError):
            nanoseconds = int((folder / "schedstat").read_text().split()[0])
            found.append((int(folder.name), nanoseconds / NANOSECONDS_PER_MICROSECOND))
    return found


async def _backends(dsn: Sensitive[str], application_name: str) -> list[int]:
    connection = await asyncpg.connect(dsn.reveal())
    try:
        rows = await connection.fetch(BACKENDS, application_name)
    finally:
        await connection.close()
    return [row["pid"] for row in rows]
