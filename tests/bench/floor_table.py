"""The floors as a table: what was run, and each variant's ratio to the pinned set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.floor_sets import GrpcioSet
from tests.bench.tables import Bound, Cell, Promise, Table

IN_FLIGHT = (8, 32)
JUDGED = 8  # in flight
TIME_TO_MOVE = 1.1  # x the CPU of the cheapest set: beyond this the pin is to move
STUBS_AGREE = (
    "Stubs agree: the committed stubs and those of health, reflection and status can be "
    "imported. Only such a set can be moved to."
)
HEADINGS = (
    *("grpcio", "switch", "stubs agree"),
    *(f"{what}, {count} in flight" for count in IN_FLIGHT for what in ("calls/s", "x pinned")),
    *("CPU µs a call", "x pinned's CPU"),
)


@dataclass(frozen=True, slots=True)
class Switch:
    """What can be set from outside: experiments by environment, options of the server."""

    name: str
    experiments: str = ""
    options: Mapping[str, int] = field(default_factory=dict)
    loop: str = "uvloop"


AS_IT_COMES = Switch("")
SWITCHES = (
    Switch("-event_engine", "-event_engine_listener,-event_engine_client"),
    Switch("event_engine_poller_for_python", "event_engine_poller_for_python"),
    Switch("-event_engine_callback_cq", "-event_engine_callback_cq"),
    Switch("-event_engine_fork", "-event_engine_fork"),
    Switch("pipelined reads", "pipelined_read_secure_endpoint,tcp_rcv_lowat"),
    Switch("promise_based_http2_server_transport", "promise_based_http2_server_transport"),
    Switch("bdp_probe=0", options={"grpc.http2.bdp_probe": 0}),
    Switch("minimal_stack", options={"grpc.minimal_stack": 1}),
    Switch("asyncio's own loop", loop="asyncio"),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One server of the comparison."""

    grpcio: GrpcioSet
    switch: Switch = AS_IT_COMES


@dataclass(frozen=True, slots=True)
class Run:
    """One load on one floor."""

    calls_per_second: float
    cpu_us: float


Runs = dict[int, list[Run]]  # by calls in flight, one for each round


def table(variants: Sequence[Variant], runs: Sequence[Runs], driver: str) -> Table:
    """Medians over the rounds; ratios are medians of each round's ratio to the first row."""
    return Table(
        name="floors",
        title="An empty call to a bare server, by version of grpcio",
        headings=HEADINGS,
        rows=[_row(variant, own, runs[0]) for variant, own in zip(variants, runs, strict=True)],
        notes=(
            "TLS, one process, one connection, no token check; first row: the pinned set.",
            STUBS_AGREE,
            f"Load: {driver}.",
        ),
        promises=_promises(variants, runs),
    )


def _row(variant: Variant, own: Runs, pinned: Runs) -> list[Cell]:
    speeds: list[Cell] = []
    for in_flight in IN_FLIGHT:
        speeds.append(median(run.calls_per_second for run in own[in_flight]))
        speeds.append(_speed_ratio(own[in_flight], pinned[in_flight]))
    grpcio = variant.grpcio
    return [
        *(grpcio.grpcio, variant.switch.name, "yes" if grpcio.agrees else "no", *speeds),
        *(median(run.cpu_us for run in own[JUDGED]), _cpu_ratio(own[JUDGED], pinned[JUDGED])),
    ]


def _speed_ratio(own: Sequence[Run], pinned: Sequence[Run]) -> float:
    pairs = zip(own, pinned, strict=True)
    return median(run.calls_per_second / other.calls_per_second for run, other in pairs)


def _cpu_ratio(own: Sequence[Run], pinned: Sequence[Run]) -> float:
    return median(run.cpu_us / other.cpu_us for run, other in zip(own, pinned, strict=True))


def _promises(variants: Sequence[Variant], runs: Sequence[Runs]) -> tuple[Promise, ...]:
    """By CPU: on a busy machine, a server of more threads gets more of it and looks faster."""
    pinned = runs[0][JUDGED]
    cheapest = min(
        _cpu_ratio(own[JUDGED], pinned)
        for variant, own in zip(variants, runs, strict=True)
        if variant.grpcio.agrees
    )
    what = "CPU of an empty call with the pinned grpcio, x the cheapest set whose stubs agree"
    return (Promise(what, Bound.AT_MOST, TIME_TO_MOVE, 1 / cheapest),)
