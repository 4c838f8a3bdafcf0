"""The answers' times at a given speed, alone and while every tenth call is a write."""

from functools import partial

from tests.bench.bench import Bench, paced
from tests.bench.counting import Part, Sample
from tests.bench.rounds import Rounds, in_turn, p50_ms, p99_ms, speed
from tests.bench.tables import NOT_OK, Bound, Cell, Promise, Table

NAME = "mixed"
READS, WRITES = 450, 50  # a second
CONTROL, ALONE, BESIDE, WRITING = "control", "decrypt", "decrypt beside writes", "write"
OFFERED = {CONTROL: READS, ALONE: READS, BESIDE: READS, WRITING: WRITES}
QUICK_SHARE = 0.1  # of those: what a machine that is busy with tests can serve too


async def measure(bench: Bench) -> Table:
    share = QUICK_SHARE if bench.effort.quick else 1
    cases = [
        partial(case, bench, share * READS, share * WRITES)
        for case in (_control, _alone, _beside)
    ]
    rounds = await in_turn(bench.effort, cases)
    return Table(
        name=NAME,
        title="At a given speed, and 90 % decrypts with 10 % writes",
        headings=("case", "offered/s", "answered/s", "p50 ms", "p99 ms", NOT_OK),
        rows=[_row(rounds, key, share * offered) for key, offered in OFFERED.items()],
        notes=(
            "An open loop: calls begin at even intervals, whatever becomes of those before.",
            "A write gives a secure value a new value, through both services and databases.",
            f"Decrypts come over {paced(READS)} connections, writes over {paced(WRITES)}.",
        ),
        promises=[
            Promise(
                f"p99 at {READS} decrypts/s offered, ms",
                Bound.AT_MOST,
                25,
                rounds.median(ALONE, p99_ms),
            ),
            Promise(
                f"that p99 beside {WRITES} writes/s, as a multiple of it alone",
                Bound.AT_MOST,
                2,
                rounds.ratio(BESIDE, ALONE, p99_ms),
            ),
        ],
    )


async def _control(
    bench: Bench, reads: float, _writes: float, seconds: float
) -> dict[str, Sample]:
    return {CONTROL: await bench.empty_calls(seconds=seconds, rate=reads)}


async def _alone(
    bench: Bench, reads: float, _writes: float, seconds: float
) -> dict[str, Sample]:
    return {ALONE: await bench.decrypt(bench.decrypting(seconds=seconds, rate=reads))}


async def _beside(
    bench: Bench, reads: float, writes: float, seconds: float
) -> dict[str, Sample]:
    decrypting = Part(bench.decrypting(seconds=seconds, rate=reads), names=1)
    writing = Part(bench.writing(seconds=seconds, rate=writes))
    samples = await bench.together(decrypting, writing)
    return dict(zip((BESIDE, WRITING), samples, strict=True))


def _row(rounds: Rounds[str], key: str, offered: float) -> list[Cell]:
    figures = (speed, p50_ms, p99_ms)
    medians = (rounds.median(key, figure) for figure in figures)
    return [key, offered, *medians, rounds.not_ok(key)]
