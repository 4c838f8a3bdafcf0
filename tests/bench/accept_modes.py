"""Decrypts in either accept mode, in the same rounds: what an untested grpcio would cost."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from chassis.accept_mode import AcceptMode
from splitkeep.files import private_directory
from tests.bench.bench import Bench, folder_of
from tests.bench.bulk import seed_secrets
from tests.bench.control import control_beside
from tests.bench.counting import Sample
from tests.bench.drivers.choice import choose_driver
from tests.bench.measuring import Place
from tests.bench.own_stack import own_stack
from tests.bench.rounds import Rounds, cpu_ms, in_turn, p50_ms, p99_ms, speed
from tests.bench.tables import NOT_OK, Cell, Table

NAME = "accept_modes"
MODES = (AcceptMode.FAST, AcceptMode.STANDARD)
LOADS = ((1, 1), (8, 1), (32, 1), (64, 1), (8, 100))  # in flight, names a call
HEADINGS = (
    *("mode", "in flight", "names a call", "calls/s", "p50 ms", "p99 ms", "CPU ms", "x fast"),
    NOT_OK,
)
NOTES = (
    (
        "Both services in the same mode. `fast` is what the grpcio that is pinned is served "
        "with; `standard` uses grpcio's public API alone, and is what any other is served with "
        "until the fast mode was tested with it."
    ),
)

Key = tuple[AcceptMode, int, int]


async def measure(bench: Bench) -> Table:
    """Of the bench only its effort is used. Raises RuntimeError, StartError."""
    async with AsyncExitStack() as running:
        benches = {
            mode: await running.enter_async_context(_in_mode(bench, mode)) for mode in MODES
        }
        cases = [
            partial(_decrypts, benches[mode], (mode, *load)) for load in LOADS for mode in MODES
        ]
        rounds = await in_turn(bench.effort, cases)
    return Table(
        name=NAME,
        title="Accept modes",
        headings=HEADINGS,
        rows=[_row(rounds, (mode, *load)) for load in LOADS for mode in MODES],
        notes=NOTES,
        promises=(),
    )


@asynccontextmanager
async def _in_mode(bench: Bench, mode: AcceptMode) -> AsyncIterator[Bench]:
    async with own_stack(accept_mode=mode) as running:
        stack = running.under_test()
        folder = folder_of(stack)
        private_directory(folder)
        await seed_secrets(stack, bench.effort.secrets)
        async with control_beside(stack, folder) as control:
            yield Bench(
                stack=stack,
                control=control,
                driver=choose_driver(None, Place(stack.ca, folder)),
                effort=bench.effort,
                folder=folder,
                connections=1,
            )


async def _decrypts(bench: Bench, key: Key, seconds: float) -> dict[Key, Sample]:
    _, in_flight, names = key
    load = bench.decrypting(names=names, in_flight=in_flight, seconds=seconds)
    return {key: await bench.decrypt(load, names=names)}


def _row(rounds: Rounds[Key], key: Key) -> list[Cell]:
    mode, in_flight, names = key
    return [
        *(mode.value, in_flight, names, rounds.median(key, speed)),
        *(rounds.median(key, figure) for figure in (p50_ms, p99_ms, cpu_ms)),
        rounds.ratio(key, (AcceptMode.FAST, in_flight, names)),
        rounds.not_ok(key),
    ]
