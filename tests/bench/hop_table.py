"""The hop as a table: a unary call beside a stream."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tests.bench.hop_server import NO_HOP, SHARED, STREAM, UNARY
from tests.bench.measuring import Measurement
from tests.bench.tables import Bound, Cell, Promise, Table

WORTH_A_STREAM = 1.0  # x the CPU of the same call: above this a unary call would do
WHAT_THEY_HAVE = (
    "mTLS between the two; the unary call has a deadline and a request id, the streams are the "
    "services' own; both are bare of what the services check."
)
HEADINGS = (
    *("hop", "names", "in flight", "unary calls/s", "p50 ms", "p99 ms", "stream calls/s"),
    *("p50 ms", "p99 ms", "stream x unary", "unary hop CPU µs", "stream hop CPU µs"),
    "stream x unary, CPU of the call",
)


@dataclass(frozen=True, slots=True)
class Case:
    """What each call asks, and whether calls that wait share a hop."""

    names: int
    in_flight: int
    shared: bool = False

    def method(self, way: str) -> str:
        return way + SHARED if self.shared and way != NO_HOP else way


CASES = (
    *(Case(names, in_flight) for names in (1, 10, 100) for in_flight in (1, 2, 4)),
    *(Case(1, in_flight, shared=True) for in_flight in (8, 32)),
)
WAYS = (NO_HOP, UNARY, STREAM)


@dataclass(frozen=True, slots=True)
class Run:
    """One load on the front, and the processor time of front and back for one call."""

    found: Measurement
    cpu_us: float


Runs = dict[tuple[Case, str], list[Run]]


def table(runs: Runs, driver: str) -> Table:
    """Medians over the rounds; a ratio is the median of each round's."""
    known = {case for case, _ in runs}
    cases = sorted(known, key=lambda case: (case.shared, case.names, case.in_flight))
    worst = max(_cpu_ratio(runs, case) for case in cases)
    return Table(
        name="hop",
        title="The hop between the services: a unary call or a stream",
        headings=HEADINGS,
        rows=[_row(runs, case) for case in cases],
        notes=(
            WHAT_THEY_HAVE,
            "CPU of the hop: of both processes, less what a call without a hop takes.",
            f"Load: {driver}.",
        ),
        promises=(
            Promise(
                "CPU of a call whose hop goes over a stream, x with a unary call",
                Bound.AT_MOST,
                WORTH_A_STREAM,
                worst,
            ),
        ),
    )


def _row(runs: Runs, case: Case) -> list[Cell]:
    def typical(way: str, figure: Callable[[Run], float]) -> float:
        return median(map(figure, runs[case, way]))

    def of_way(way: str) -> list[Cell]:
        return [
            typical(way, lambda run: run.found.requests_per_second),
            typical(way, lambda run: run.found.p50_ms),
            typical(way, lambda run: run.found.p99_ms),
        ]

    return [
        *("shared" if case.shared else "each its own", case.names, case.in_flight),
        *(*of_way(UNARY), *of_way(STREAM), _speed_ratio(runs, case)),
        *(_hop_cpu_us(runs, case, way) for way in (UNARY, STREAM)),
        _cpu_ratio(runs, case),
    ]


def _speed_ratio(runs: Runs, case: Case) -> float:
    pairs = zip(runs[case, STREAM], runs[case, UNARY], strict=True)
    return median(
        stream.found.requests_per_second / unary.found.requests_per_second
        for stream, unary in pairs
    )


def _cpu_ratio(runs: Runs, case: Case) -> float:
    pairs = zip(runs[case, STREAM], runs[case, UNARY], strict=True)
    return median(stream.cpu_us / unary.cpu_us for stream, unary in pairs)


def _hop_cpu_us(runs: Runs, case: Case, way: str) -> float:
    pairs = zip(runs[case, way], runs[case, NO_HOP], strict=True)
    return median(run.cpu_us - without.cpu_us for run, without in pairs)
