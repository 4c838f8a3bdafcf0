"""Decrypts of many names a call, beside the same work without a call between processes."""

from functools import partial

from tests.bench.bench import Bench
from tests.bench.counting import Sample
from tests.bench.pipeline import Pipeline, pipeline_beside
from tests.bench.rounds import Rounds, cpu_ms, in_turn, p50_ms, p99_ms, speed
from tests.bench.tables import NOT_OK, Bound, Cell, Promise, Table

NAME = "batch"
SIZES = (10, 100, 1_000)
IN_FLIGHT = 8
# What is under way at a run's end is cut off: the longer a call takes, the longer its runs.
LONGER = {1_000: 3}
HEADINGS = (
    *("names a call", "calls/s", "secrets/s", "p50 ms", "p99 ms", "CPU ms"),
    *("pipeline secrets/s", "pipeline p50 ms", "x pipeline", NOT_OK),
)
NOTES = (
    f"{IN_FLIGHT} calls in flight; names drawn at random; one message with all 64-byte values.",
    (
        "The pipeline is one process that does what the two services do for a batch and no "
        "more: both statements and the opening with the services' own stores, on held "
        "connections, in batches of the same sizes, as many at a time. No token is checked "
        "there, nothing is logged, no message is built."
    ),
)
BATCH, PIPELINE = "batch", "pipeline"

Key = tuple[str, int]


async def measure(bench: Bench) -> Table:
    sizes = [size for size in SIZES if size <= len(bench.names)]
    async with pipeline_beside(bench.stack) as pipeline:
        cases = [
            case
            for size in sizes
            for case in (
                partial(_pipeline, bench, pipeline, size),
                partial(_batch, bench, size),
            )
        ]
        rounds = await in_turn(bench.effort, cases)
    return Table(
        name=NAME,
        title="Many names a call",
        headings=HEADINGS,
        rows=[_row(rounds, size) for size in sizes],
        notes=NOTES,
        promises=_promises(rounds) if sizes == list(SIZES) else (),
    )


async def _pipeline(
    bench: Bench, pipeline: Pipeline, size: int, seconds: float
) -> dict[Key, Sample]:
    found = await pipeline.run(
        count=len(bench.names),
        names=size,
        in_flight=IN_FLIGHT,
        seconds=seconds * LONGER.get(size, 1),
    )
    return {(PIPELINE, size): Sample(found)}


async def _batch(bench: Bench, size: int, seconds: float) -> dict[Key, Sample]:
    load = bench.decrypting(
        names=size, in_flight=IN_FLIGHT, seconds=seconds * LONGER.get(size, 1)
    )
    return {(BATCH, size): await bench.decrypt(load, names=size)}


def _row(rounds: Rounds[Key], size: int) -> list[Cell]:
    batch, pipeline = (BATCH, size), (PIPELINE, size)
    calls = rounds.median(batch, speed)
    return [
        *(size, calls, calls * size),
        *(rounds.median(batch, figure) for figure in (p50_ms, p99_ms, cpu_ms)),
        rounds.median(pipeline, speed) * size,
        rounds.median(pipeline, p50_ms),
        rounds.ratio(batch, pipeline),
        rounds.not_ok(batch),
    ]


def _promises(rounds: Rounds[Key]) -> list[Promise]:
    hundred, thousand = (BATCH, 100), (BATCH, 1_000)
    return [
        Promise(
            "secrets/s in batches of 100, as a share of the pipeline's",
            Bound.AT_LEAST,
            0.4,
            rounds.ratio(hundred, (PIPELINE, 100)),
        ),
        Promise(
            "secrets/s in batches of 100",
            Bound.AT_LEAST,
            30_000,
            rounds.median(hundred, speed) * 100,
        ),
        Promise(
            "secrets/s in batches of 1 000, as a multiple of that",
            Bound.AT_LEAST,
            1,
            rounds.ratio(thousand, hundred) * 10,
        ),
    ]
