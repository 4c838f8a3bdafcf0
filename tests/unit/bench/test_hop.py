"""The hop that is measured: answers go to those who asked, and the table says what it costs."""

import asyncio

from protos.splitkeep.metadata.v1.vault_peer_pb2 import ResolveRequest, ResolveResponse
from tests.bench.hop import request
from tests.bench.hop_server import NO_HOP, STREAM, UNARY, SharedHop, decided
from tests.bench.hop_table import Case, Run, Runs, table
from tests.bench.measuring import Measurement


class SlowHop:
    """Answers once it is let; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.began, self.let = asyncio.Event(), asyncio.Event()

    async def __call__(self, asked: ResolveRequest) -> ResolveResponse:
        self.asked.append(len(asked.questions))
        self.began.set()
        await self.let.wait()
        return decided(asked)


async def test_those_who_wait_share_the_next_hop_and_get_their_own_answers() -> None:
    hop = SlowHop()
    shared = SharedHop(hop)
    asking = [asyncio.create_task(shared.ask(request(names))) for names in (1, 10, 100)]
    await hop.began.wait()
    hop.let.set()

    answers = [await task for task in asking]

    assert sum(hop.asked) == 3
    assert [len(answer.answers[0].decisions) for answer in answers] == [1, 10, 100]


async def test_one_who_goes_away_does_not_take_the_others_answers() -> None:
    hop = SlowHop()
    shared = SharedHop(hop)
    gone, stays = (asyncio.create_task(shared.ask(request(names))) for names in (1, 10))
    await hop.began.wait()
    gone.cancel()
    hop.let.set()

    assert len((await stays).answers[0].decisions) == 10


def test_the_cost_of_a_hop_is_what_a_call_takes_beyond_one_without() -> None:
    case = Case(names=1, in_flight=8, shared=True)
    measurement = Measurement(requests=100, seconds=1, p50_ms=1, p99_ms=2)
    costs = {NO_HOP: 300.0, UNARY: 700.0, STREAM: 600.0}
    runs: Runs = {(case, way): [Run(measurement, cost)] for way, cost in costs.items()}

    found = table(runs, "h2load")

    row = dict(zip(found.headings, found.rows[0], strict=True))
    assert row["unary hop CPU µs"] == 400
    assert row["stream hop CPU µs"] == 300
    assert found.promises[0].kept  # a stream at 6/7 of the CPU is worth having
