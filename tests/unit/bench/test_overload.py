"""What is read off an overload: by the servers' counters, and by those beside it."""

from collections import Counter
from collections.abc import Mapping

import grpc

from tests.bench.bystanders import OK, REFUSED, Bystanders, Seen
from tests.bench.memory import Watch
from tests.bench.overload_table import (
    CLOSED,
    HEADINGS,
    OPEN,
    Answered,
    Overload,
    Peak,
    tabulated,
)
from tests.bench.requests import DECRYPT
from tests.bench.statuses import Counts
from tests.bench.tables import Table

SECONDS = 10.0
PEAK = Peak(64, {32: 900.0, 64: 1_000.0})


def answered(**calls: int) -> Answered:
    counted = Counter({(DECRYPT, code): count for code, count in calls.items()})
    return Answered(SECONDS, sum(calls.values()), Counts(counted, Counter()))


def seen(*, ok: int = 0, refused_seconds: tuple[float, ...] = ()) -> Seen:
    return Seen([*[(OK, 0.01)] * ok, *((REFUSED, took) for took in refused_seconds)])


def an_overload(
    label: str = OPEN,
    *,
    calls: Mapping[str, int] | None = None,
    polite: Seen | None = None,
    probe: Seen | None = None,
) -> Overload:
    return Overload(
        label=label,
        in_flight=256 if label == CLOSED else None,
        answered=answered(**(calls or {"OK": 9_000})),
        beside=Bystanders(polite or seen(ok=100), probe or seen(ok=100)),
        after=950.0,
    )


def table_of(overload: Overload) -> Table:
    memory = Watch({"vault 1": 1}, {"vault 1": [80.0, 120.0, 90.0]})
    return tabulated(PEAK, (overload,), memory)


def kept(table: Table) -> dict[str, bool]:
    return {promise.what: promise.kept for promise in table.promises}


def test_every_row_has_a_cell_for_every_heading() -> None:
    found = table_of(an_overload())

    assert {len(row) for row in found.rows} == {len(HEADINGS)}


def test_only_answers_that_are_ok_count_as_done() -> None:
    overload = an_overload(calls={"OK": 5_000, "RESOURCE_EXHAUSTED": 9_000})

    assert kept(table_of(overload))["open loop: OK/s, x peak"] is False


def test_a_call_cut_off_at_the_end_is_neither_refused_nor_another_failure() -> None:
    found = answered(OK=10, RESOURCE_EXHAUSTED=20, CANCELLED=30, DEADLINE_EXCEEDED=40)

    assert found.a_second("RESOURCE_EXHAUSTED") == 2
    assert found.others_a_second == 4


def test_a_refusal_is_judged_by_how_long_its_caller_waited() -> None:
    slow = an_overload(probe=seen(ok=100, refused_seconds=(0.1, 0.4)))

    assert kept(table_of(slow))["open loop: p99 ms of refusals"] is False


def test_where_nobody_was_refused_no_refusal_was_slow() -> None:
    assert seen(ok=3).p99_ms(REFUSED) == 0


def test_a_polite_client_that_no_call_of_is_answered_was_starved() -> None:
    starved = an_overload(polite=Seen())

    assert kept(table_of(starved))["open loop: polite calls that were OK"] is False


def test_whatever_is_not_ok_counts_against_the_polite_clients_share() -> None:
    failures = [(grpc.StatusCode.DEADLINE_EXCEEDED, 10.0), (REFUSED, 0.01)]

    assert Seen([*[(OK, 0.01)] * 6, *failures]).share_ok == 0.75


def test_the_polite_client_gets_at_least_what_one_place_in_flight_gets() -> None:
    whole, third = seen(ok=36), seen(ok=12)  # 900 OK/s over 256 places is 3.5 for each
    fair = "closed loop: polite OK/s, x what one place in flight gets"

    assert kept(table_of(an_overload(CLOSED, polite=whole)))[fair] is True
    assert kept(table_of(an_overload(CLOSED, polite=third)))[fair] is False
