"""Does a decrypt take longer when there are a thousand times as many secrets?

Each size is a stack of its own, so that tables and indexes are as large as the size says; all
run at once and are measured in turn. Every call draws its names from all there are: a tool that
sends one message for as long as it runs (h2load) would find them in every cache.
"""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from protos.decryptv1beta1.decrypt_pb2 import SecureValueDecryptRequest
from tests.bench.bench import Bench
from tests.bench.bulk import seed_secrets
from tests.bench.check import check_values
from tests.bench.counting import Part, Sample, counted
from tests.bench.drivers.choice import choose_driver
from tests.bench.drivers.ghz import Ghz
from tests.bench.drivers.h2load import H2load
from tests.bench.measuring import Driver, Load, Place
from tests.bench.own_stack import own_stack
from tests.bench.report import shown
from tests.bench.requests import DECRYPT
from tests.bench.rounds import Figure, Rounds, in_turn, p50_ms, speed
from tests.bench.seed import secret_name
from tests.bench.tables import NOT_OK, Bound, Cell, Effort, Promise, Table
from tests.bench.under_test import NAMESPACE, StackUnderTest

NAME = "growth"
OWN_CLIENT = "a Python client, whose own time for each call is part of every figure"
SIZES, QUICK_SIZES = (1_000, 100_000, 1_000_000), (200, 400, 800)
LIMIT = 1.2
SPLIT = 2  # there are many cases
DRAWN_NAMES = 40_000  # in all messages of a kind together
HEADINGS = (
    *("secrets", "p50 ms alone", "x fewest", "decrypts/s", "x fewest", "p50 ms", "x fewest"),
    *("secrets/s in batches", "x fewest", NOT_OK),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a stack is asked: so many names a call, so many calls at a time."""

    names: int
    in_flight: int


ALONE, MANY, BATCHES = Kind(1, 1), Kind(1, 32), Kind(100, 8)
KINDS = (ALONE, MANY, BATCHES)
Key = tuple[int, Kind]


@dataclass(frozen=True, slots=True)
class Grown:
    """A stack with so many secrets, and what it is asked."""

    count: int
    stack: StackUnderTest
    driver: Driver
    drawn: Mapping[Kind, Sequence[SecureValueDecryptRequest]]

    async def run(self, kind: Kind, seconds: float) -> dict[Key, Sample]:
        load = Load(
            target=self.stack.vault,
            method=DECRYPT,
            token=self.stack.decrypter,
            messages=self.drawn[kind],
            in_flight=kind.in_flight,
            seconds=seconds / SPLIT,
        )
        part = Part(load, kind.names)
        (sample,) = await counted(self.driver, self.stack.operations, [part])
        return {(self.count, kind): sample}


async def measure(bench: Bench) -> Table:
    sizes = QUICK_SIZES if bench.effort.quick else SIZES
    async with AsyncExitStack() as running:
        grown = [await running.enter_async_context(_grown(bench, size)) for size in sizes]
        rounds = await _rounds(bench.effort, grown)
        for one in grown:
            await check_values(one.stack, one.count)
    return _table(rounds, sizes, grown[0].driver)


@asynccontextmanager
async def _grown(bench: Bench, count: int) -> AsyncIterator[Grown]:
    async with own_stack() as running:
        stack = running.under_test()
        await seed_secrets(stack, count)
        await check_values(stack, count)
        drawn = {kind: _drawn(count, kind.names) for kind in KINDS}
        yield Grown(count, stack, _driver(bench, stack), drawn)


def _driver(bench: Bench, stack: StackUnderTest) -> Driver:
    """The bench's own, if it sends another message each time."""
    name = "python" if isinstance(bench.driver, H2load) else None
    return choose_driver(name, Place(stack.ca, bench.folder))


def _drawn(count: int, names: int) -> list[SecureValueDecryptRequest]:
    return [
        SecureValueDecryptRequest(
            namespace=NAMESPACE,
            names=[secret_name(number) for number in random.sample(range(count), names)],
        )
        for _ in range(DRAWN_NAMES // names)
    ]


async def _rounds(effort: Effort, grown: Sequence[Grown]) -> Rounds[Key]:
    return await in_turn(effort, [partial(one.run, kind) for kind in KINDS for one in grown])


def _table(rounds: Rounds[Key], sizes: Sequence[int], driver: Driver) -> Table:
    return Table(
        name=NAME,
        title="Growth",
        headings=HEADINGS,
        rows=[_row(rounds, size, sizes[0]) for size in sizes],
        notes=_notes(driver),
        promises=_promises(rounds, sizes[0], sizes[-1]),
    )


def _row(rounds: Rounds[Key], size: int, fewest: int) -> list[Cell]:
    figures = (
        *((ALONE, p50_ms), (MANY, speed), (MANY, p50_ms)),
        (BATCHES, lambda sample: speed(sample) * BATCHES.names),
    )
    row: list[Cell] = [size]
    for kind, figure in figures:
        row.append(rounds.median((size, kind), figure))
        row.append(rounds.ratio((size, kind), (fewest, kind), figure))
    return [*row, rounds.not_ok(*((size, kind) for kind in KINDS))]


def _notes(driver: Driver) -> tuple[str, ...]:
    return (
        (
            "Each row is a stack of its own that holds so many secrets and nothing else; all "
            "stacks run at once and are measured in turn. Postgres has 64 MB of shared buffers."
        ),
        (
            "All are made by the services' own code and can be decrypted; every call draws its "
            "names from all of them."
        ),
        (
            f"Alone: one call in flight; decrypts/s and p50 with {MANY.in_flight}; batches of "
            f"{BATCHES.names} with {BATCHES.in_flight}."
        ),
        f"Load by {driver.said if isinstance(driver, Ghz) else OWN_CLIENT}.",
    )


def _promises(rounds: Rounds[Key], fewest: int, most: int) -> list[Promise]:
    def ratio(kind: Kind, figure: Figure) -> float:
        return rounds.ratio((most, kind), (fewest, kind), figure)

    of = f"with {shown(most)} secrets, as a multiple of that with {shown(fewest)}"
    return [
        Promise(f"p50 {of}", Bound.AT_MOST, LIMIT, ratio(ALONE, p50_ms)),
        Promise(f"decrypts/s {of}", Bound.AT_LEAST, 1 / LIMIT, ratio(MANY, speed)),
    ]
