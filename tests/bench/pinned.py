"""Is it processor time that bounds a decrypt, or a lock, or a pool?

The services, Postgres and whoever makes the load are confined to one processor in all, then to
two. What waits for anything else than a processor would not go faster on two. The control, an
empty call, says how much faster on two anything goes on this machine.

With as many workers as processors no processor may idle. One worker has one event loop, whose
thread can use one processor: that one may not idle.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import NamedTuple

import asyncpg

from chassis.sensitive import Sensitive
from splitkeep.files import private_directory
from tests.bench.bench import MAXIMUM_CONNECTIONS, Bench, folder_of
from tests.bench.bulk import seed_secrets
from tests.bench.check import check_values
from tests.bench.confining import Usage, confined_to, usable
from tests.bench.control import control_beside
from tests.bench.counting import Sample
from tests.bench.drivers.choice import choose_driver
from tests.bench.measuring import Place
from tests.bench.memory import children
from tests.bench.own_stack import own_stack
from tests.bench.rounds import Rounds, in_turn, speed
from tests.bench.statuses import Counts
from tests.bench.tables import NOT_OK, Bound, Cell, Promise, Table

NAME = "pinned"
WORKERS, QUICK_WORKERS, CPUS = (1, 2), (2,), (1, 2)
IN_FLIGHT = 32
LIMIT, IDLE_LIMIT, BUSY_LIMIT = 0.85, 0.10, 0.85
RESOLVE = "splitkeep.metadata.v1.VaultPeer/Resolve"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
HELD = 10  # connections that each worker opens at most, one only when none is free
DECRYPT, CONTROL = "decrypt", "control"
HEADINGS = (
    *("workers each", "processors", "decrypts/s", "x one", "control/s", "x one", "x control"),
    *("used %", "idle %", "busiest loop %", "names a batch", "connections", NOT_OK),
)

Key = tuple[str, int, int]  # what is called, workers, processors


class Seen(NamedTuple):
    """Beside the speed: shares of the processors given, and how many shared a batch.

    The share of the busiest event loop is of one processor.
    """

    used: float
    idle: float
    busiest: float
    names_a_batch: float


@dataclass(frozen=True, slots=True)
class Shape:
    """A stack with so many workers of each service, its control, and what was seen of it."""

    workers: int
    bench: Bench
    seen: dict[int, list[Seen]] = field(default_factory=dict)  # by number of processors

    @property
    def event_loops(self) -> list[int]:
        """The processes of both services that serve."""
        pids = self.bench.stack.pids
        services = [pids[name] for name in ("vault", "metadata")]
        return [pid for service in services for pid in (children(service) or [service])]

    async def decrypt(self, cpus: int, seconds: float) -> dict[Key, Sample]:
        load = self.bench.decrypting(in_flight=IN_FLIGHT, seconds=seconds)
        operations = self.bench.stack.operations
        with confined_to(cpus) as processors:
            before, usage = await Counts.read(operations), Usage.now(self.event_loops)
            sample = await self.bench.decrypt(load)
            shares = usage.shares_since(processors)
        grown = (await Counts.read(operations)).since(before)
        names_a_batch = grown.granted / max(1, grown.served(RESOLVE))
        self.seen.setdefault(cpus, []).append(Seen(*shares, names_a_batch))
        return {(DECRYPT, self.workers, cpus): sample}

    async def control(self, cpus: int, seconds: float) -> dict[Key, Sample]:
        with confined_to(cpus):
            sample = await self.bench.empty_calls(in_flight=IN_FLIGHT, seconds=seconds)
        return {(CONTROL, self.workers, cpus): sample}

    async def connections(self) -> str:
        """How many were ever needed at a time: more than are open nobody waited for."""
        stack = self.bench.stack
        dsns = {"vault": stack.vault_dsn, "metadata": stack.metadata_dsn}
        opened = [await _connections(dsn, f"{name}_svc") for name, dsn in dsns.items()]
        return f"{' + '.join(map(str, opened))} of {HELD * self.workers} each"


async def measure(bench: Bench) -> Table:
    """Of the bench only its effort is used. Raises RuntimeError, StartError."""
    numbers, workers = CPUS[: usable()], QUICK_WORKERS if bench.effort.quick else WORKERS
    async with AsyncExitStack() as running:
        shapes = [await running.enter_async_context(_shape(bench, n)) for n in workers]
        cases = [
            partial(call, cpus)
            for shape in shapes
            for cpus in numbers
            for call in (shape.control, shape.decrypt)
        ]
        rounds = await in_turn(bench.effort, cases)
        connections = [await shape.connections() for shape in shapes]
        for shape in shapes:
            await check_values(shape.bench.stack, bench.effort.secrets)
    return Table(
        name=NAME,
        title="Confined to some processors",
        headings=HEADINGS,
        rows=[
            _row(rounds, shape, cpus, opened)
            for shape, opened in zip(shapes, connections, strict=True)
            for cpus in numbers
        ],
        notes=NOTES,
        promises=_promises(rounds, shapes) if numbers == CPUS else (),
    )


@asynccontextmanager
async def _shape(bench: Bench, workers: int) -> AsyncIterator[Shape]:
    async with own_stack(vault_workers=workers, metadata_workers=workers) as running:
        stack = running.under_test()
        folder = folder_of(stack)
        private_directory(folder)
        await seed_secrets(stack, bench.effort.secrets)
        async with control_beside(stack, folder) as control:
            own = Bench(
                stack=stack,
                control=control,
                driver=choose_driver(None, Place(stack.ca, folder)),
                effort=bench.effort,
                folder=folder,
                connections=1 if workers == 1 else MAXIMUM_CONNECTIONS,
            )
            yield Shape(workers, own)


async def _connections(dsn: Sensitive[str], application_name: str) -> int:
    connection = await asyncpg.connect(dsn.reveal())
    try:
        return int(await connection.fetchval(CONNECTIONS, application_name))
    finally:
        await connection.close()


def _row(rounds: Rounds[Key], shape: Shape, cpus: int, connections: str) -> list[Cell]:
    decrypt, control = (DECRYPT, shape.workers, cpus), (CONTROL, shape.workers, cpus)
    *shares, names_a_batch = zip(*shape.seen[cpus], strict=True)
    return [
        *(shape.workers, cpus),
        *(rounds.median(decrypt, speed), rounds.ratio(decrypt, (*decrypt[:2], CPUS[0]))),
        *(rounds.median(control, speed), rounds.ratio(control, (*control[:2], CPUS[0]))),
        rounds.ratio(decrypt, control),
        *(median(share) * 100 for share in shares),
        median(names_a_batch),
        connections,
        rounds.not_ok(decrypt, control),
    ]


def _promises(rounds: Rounds[Key], shapes: Sequence[Shape]) -> list[Promise]:
    return [promise for shape in shapes for promise in _promises_of(rounds, shape)]


def _promises_of(rounds: Rounds[Key], shape: Shape) -> tuple[Promise, Promise]:
    workers = shape.workers
    return (
        Promise(
            f"speed-up of decrypts by a second processor, workers of each service: {workers}, "
            "as a share of the control's",
            Bound.AT_LEAST,
            LIMIT,
            _beside_control(rounds, workers),
        ),
        _none_idle(shape) if workers >= CPUS[-1] else _one_busy(shape),
    )


def _none_idle(shape: Shape) -> Promise:
    return Promise(
        "share of two processors that is idle while decrypts are made, workers of each "
        f"service: {shape.workers}",
        Bound.AT_MOST,
        IDLE_LIMIT,
        median(seen.idle for seen in shape.seen[CPUS[-1]]),
    )


def _one_busy(shape: Shape) -> Promise:
    return Promise(
        "share of one of two processors that the busiest event loop uses, workers of each "
        f"service: {shape.workers}",
        Bound.AT_LEAST,
        BUSY_LIMIT,
        median(seen.busiest for seen in shape.seen[CPUS[-1]]),
    )


def _beside_control(rounds: Rounds[Key], workers: int) -> float:
    one, two = CPUS

    def faster(samples: Mapping[Key, Sample], what: str) -> float:
        return speed(samples[what, workers, two]) / speed(samples[what, workers, one])

    return median(
        faster(samples, DECRYPT) / faster(samples, CONTROL) for samples in rounds.samples
    )


NOTES = (
    (
        f"{IN_FLIGHT} calls in flight. Confined: the services, both Postgres servers, the "
        "control and whoever makes the load, every thread of each."
    ),
    (
        "While decrypts were made, of the processors given: used by all of these together, and "
        "idle. The rest is the network's work in the kernel, and other processes. The busiest "
        "event loop, of one processor: of all processes of both services that serve."
    ),
    (
        "Connections: opened to each database so far, vault and metadata. One is opened only "
        "when none is free, so while there are fewer than allowed nobody has waited for one. A "
        "batch waits for the one before it: had that been the bound, processors would be idle."
    ),
    "Four processors would be the next to show; this machine's count is at the top.",
)
