"""More than the service can do: what it still does, how soon it refuses, and who suffers.

First the peak: the calls in flight at which most are answered. Then, for a minute each,

- a closed loop with four times as many in flight: who is answered or refused asks again;
- an open loop with a quarter more calls a second than were answered at the peak, whatever
  becomes of them.

The load comes from two greedy callers, each with a token and connections of its own. How calls
end is counted by the server; how soon a refusal comes is seen by a probe beside the load, and
how others fare by a polite client (tests/bench/bystanders.py). Two seconds after each overload
the peak's own load is sent once more.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from statistics import median

from tests.bench.bench import Bench
from tests.bench.bystanders import OK, Tokens, bystanders
from tests.bench.measuring import Load, Measurement
from tests.bench.memory import Watch, children
from tests.bench.overload_table import (
    CLOSED,
    OPEN,
    SETTLED_SECONDS,
    TIMES_IN_FLIGHT,
    TIMES_RATE,
    Answered,
    Overload,
    Peak,
    tabulated,
)
from tests.bench.requests import DECRYPT
from tests.bench.seed import KIND, rest_client, value_of
from tests.bench.statuses import Counts
from tests.bench.tables import Table
from tests.bench.under_test import DECRYPTER

IN_FLIGHT, QUICK_IN_FLIGHT = (16, 32, 64, 128, 256), (8, 16)
GREEDY = 2
SECONDS, QUICK_SECONDS = 60.0, 2.0
AFTERWARDS_SECONDS = 5.0
# A bound on the calls of one greedy caller in an open loop, beyond what the server would hold.
OPEN_IN_FLIGHT = 1_000
# Far below the bound on the calls of one connection: gRPC counts those that have ended and are
# not freed yet too, and what is beyond it HTTP/2 refuses by itself.
IN_FLIGHT_OF_A_CONNECTION = 128
# Of each greedy caller, whatever it sends: how calls are spread over connections is a matter of
# its own, and would be measured too.
CONNECTIONS = math.ceil(OPEN_IN_FLIGHT / IN_FLIGHT_OF_A_CONNECTION)
POLITE, POLITE_NAME = "polite-tester", "overload-polite"
SAMPLE_SECONDS = 0.5


async def measure(bench: Bench) -> Table:
    tokens = Tokens(bench.stack.decrypting_as(POLITE), bench.stack.decrypting_as(DECRYPTER))
    await _create_polite(bench)
    peak = await _peak(bench, tokens)
    memory = Watch(_processes(bench))
    sampling = asyncio.create_task(_sample(memory))
    seconds = QUICK_SECONDS if bench.effort.quick else SECONDS
    try:
        four_times = peak.in_flight * TIMES_IN_FLIGHT
        closed = await _overload(
            bench, tokens, peak, CLOSED, in_flight=four_times, seconds=seconds
        )
        faster = peak.speed * TIMES_RATE
        opened = await _overload(bench, tokens, peak, OPEN, rate=faster, seconds=seconds)
    finally:
        sampling.cancel()
    return tabulated(peak, (closed, opened), memory)


async def _create_polite(bench: Bench) -> None:
    """The polite client has something to decrypt. Raises RuntimeError."""
    spec = {"description": "seed", "value": value_of(POLITE_NAME), "decrypters": [POLITE]}
    async with rest_client(bench.stack) as http:
        answer = await http.post(KIND, json={"metadata": {"name": POLITE_NAME}, "spec": spec})
    if answer.status_code not in {201, 409}:
        raise RuntimeError(f"creating {POLITE_NAME} was answered {answer.status_code}")


def _greedy(
    bench: Bench,
    tokens: Tokens,
    *,
    seconds: float,
    in_flight: int = GREEDY * OPEN_IN_FLIGHT,
    rate: float | None = None,
) -> list[Load]:
    """The load of all greedy callers, in equal parts."""
    share = in_flight // GREEDY
    return [
        Load(
            target=bench.stack.vault,
            method=DECRYPT,
            token=token,
            messages=bench.decrypting(seconds=seconds).messages,
            in_flight=share,
            seconds=seconds,
            connections=min(share, CONNECTIONS),
            rate=None if rate is None else rate / GREEDY,
        )
        for token in (bench.stack.decrypter, tokens.greedy)
    ]


async def _run(bench: Bench, loads: Sequence[Load]) -> Answered:
    before = await Counts.read(bench.stack.operations)
    found: Sequence[Measurement] = await asyncio.gather(*map(bench.driver.run, loads))
    grown = (await Counts.read(bench.stack.operations)).since(before)
    seconds = max(measurement.seconds for measurement in found)
    return Answered(seconds, sum(measurement.requests for measurement in found), grown)


async def _peak(bench: Bench, tokens: Tokens) -> Peak:
    """Medians over the rounds, each of which goes through all, there or back."""
    levels = QUICK_IN_FLIGHT if bench.effort.quick else IN_FLIGHT
    found: dict[int, list[float]] = {in_flight: [] for in_flight in levels}
    for number in range(bench.effort.rounds):
        for in_flight in levels if number % 2 == 0 else reversed(levels):
            loads = _greedy(bench, tokens, in_flight=in_flight, seconds=bench.effort.seconds)
            answered = await _run(bench, loads)
            found[in_flight].append(answered.a_second(OK.name))
    speeds = {in_flight: median(figures) for in_flight, figures in found.items()}
    return Peak(max(speeds, key=lambda in_flight: speeds[in_flight]), speeds)


async def _overload(
    bench: Bench,
    tokens: Tokens,
    peak: Peak,
    label: str,
    *,
    seconds: float,
    in_flight: int | None = None,
    rate: float | None = None,
) -> Overload:
    bound = GREEDY * OPEN_IN_FLIGHT if in_flight is None else in_flight
    loads = _greedy(bench, tokens, seconds=seconds, in_flight=bound, rate=rate)
    names = (POLITE_NAME, bench.names[0])
    began = time.monotonic()
    async with bystanders(bench.stack, tokens, names) as beside:
        answered = await _run(bench, loads)
    # Its own end, not that of what was made of its figures since.
    ended = began + answered.seconds
    await asyncio.sleep(max(0.0, ended + SETTLED_SECONDS - time.monotonic()))
    afterwards = QUICK_SECONDS if bench.effort.quick else AFTERWARDS_SECONDS
    again = await _run(
        bench, _greedy(bench, tokens, in_flight=peak.in_flight, seconds=afterwards)
    )
    return Overload(label, in_flight, answered, beside, again.a_second(OK.name))


def _processes(bench: Bench) -> dict[str, int]:
    """Of both services: each worker, where there are several."""
    found: dict[str, int] = {}
    for name in ("vault", "metadata"):
        supervisor = bench.stack.pids[name]
        workers = children(supervisor) or [supervisor]
        found |= {f"{name} {number}": pid for number, pid in enumerate(workers, 1)}
    return found


async def _sample(memory: Watch) -> None:
    while True:
        memory.sample()
        await asyncio.sleep(SAMPLE_SECONDS)
