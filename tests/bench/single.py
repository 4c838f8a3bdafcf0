"""Decrypts of one name, beside an empty call through the same server."""

from functools import partial

from tests.bench.bench import Bench
from tests.bench.counting import Sample
from tests.bench.rounds import Rounds, cpu_ms, in_turn, p50_ms, p99_ms, speed
from tests.bench.tables import NOT_OK, Bound, Cell, Promise, Table

NAME = "single"
IN_FLIGHT = (1, 8, 32, 64)
PROMISED = {8: 0.30, 32: 0.42, 64: 0.42}
SPEED, P99, CONTROL_SPEED, CONTROL_P99 = "decrypts/s", "p99 ms", "control/s", "control p99 ms"
IN_FLIGHT_HEADING = "in flight"
HEADINGS = (
    *(IN_FLIGHT_HEADING, SPEED, "p50 ms", P99, "CPU ms"),
    *(CONTROL_SPEED, "control p50 ms", CONTROL_P99, "control CPU ms", "x control", NOT_OK),
)
DECRYPT, CONTROL = "decrypt", "control"

Key = tuple[str, int]


async def measure(bench: Bench) -> Table:
    cases = [
        partial(case, bench, in_flight)
        for in_flight in IN_FLIGHT
        for case in (_control, _single)
    ]
    rounds = await in_turn(bench.effort, cases)
    return Table(
        name=NAME,
        title="One name a call",
        headings=HEADINGS,
        rows=[_row(rounds, in_flight) for in_flight in IN_FLIGHT],
        notes=_notes(bench.connections),
        promises=[
            Promise(
                f"decrypts/s at {in_flight} in flight, as a share of the control's",
                Bound.AT_LEAST,
                limit,
                rounds.ratio((DECRYPT, in_flight), (CONTROL, in_flight)),
            )
            for in_flight, limit in PROMISED.items()
        ],
    )


def _notes(connections: int) -> tuple[str, ...]:
    return (
        "Cold: every call asks metadata and both databases. Nothing is decided from memory.",
        (
            "The control is an empty method behind the same server builder, certificate and "
            "token check, with as many workers as the vault and the same load."
        ),
        f"Connections of one load: {connections}, or as many as calls in flight if fewer.",
    )


async def _control(bench: Bench, in_flight: int, seconds: float) -> dict[Key, Sample]:
    return {(CONTROL, in_flight): await bench.empty_calls(in_flight=in_flight, seconds=seconds)}


async def _single(bench: Bench, in_flight: int, seconds: float) -> dict[Key, Sample]:
    load = bench.decrypting(in_flight=in_flight, seconds=seconds)
    return {(DECRYPT, in_flight): await bench.decrypt(load)}


def _row(rounds: Rounds[Key], in_flight: int) -> list[Cell]:
    figures = (speed, p50_ms, p99_ms, cpu_ms)
    decrypt, control = (DECRYPT, in_flight), (CONTROL, in_flight)
    return [
        in_flight,
        *(rounds.median(decrypt, figure) for figure in figures),
        *(rounds.median(control, figure) for figure in figures),
        rounds.ratio(decrypt, control),
        rounds.not_ok(decrypt, control),
    ]
