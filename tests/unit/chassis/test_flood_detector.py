"""Which sources flood a port."""

from collections.abc import Mapping

import pytest

from chassis.flood_detector import (
    REMEMBERED_SOURCES,
    UNVERIFIED_BYTES,
    UNVERIFIED_CALLS,
    WINDOW_SECONDS,
    CallFloods,
    ConnectionFloods,
)

CONNECTIONS = 3


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(clock: Clock) -> CallFloods:
    return CallFloods(clock)


@pytest.fixture
def sent(clock: Clock) -> ConnectionFloods:
    return ConnectionFloods(clock, CONNECTIONS)


def count(calls: CallFloods, source: str, number: int = 1) -> list[bool]:
    return [calls.count(source) for _ in range(number)]


def flooding(sent: ConnectionFloods, received: Mapping[str, int]) -> set[str]:
    """Connections are named `source/number` here."""
    return sent.sources(received, lambda connection: connection.partition("/")[0])


def test_a_source_floods_from_the_first_call_beyond_the_limit(calls: CallFloods) -> None:
    assert count(calls, "a", UNVERIFIED_CALLS + 2) == [False] * UNVERIFIED_CALLS + [True, True]


def test_calls_of_a_window_that_is_over_do_not_count(calls: CallFloods, clock: Clock) -> None:
    count(calls, "a", UNVERIFIED_CALLS)
    clock.now += WINDOW_SECONDS

    assert count(calls, "a") == [False]


def test_the_calls_of_each_source_count_by_themselves(calls: CallFloods) -> None:
    count(calls, "a", UNVERIFIED_CALLS)

    assert count(calls, "b") == [False]


def test_the_source_that_was_seen_last_is_remembered_longest(calls: CallFloods) -> None:
    count(calls, "a", UNVERIFIED_CALLS)
    count(calls, "b", UNVERIFIED_CALLS - 1)
    for number in range(REMEMBERED_SOURCES - 1):
        count(calls, f"other {number}")
        count(calls, "b", number == 0)

    assert count(calls, "b") == [True]
    assert count(calls, "a") == [False]


def test_bytes_of_all_connections_of_a_source_count_together(sent: ConnectionFloods) -> None:
    half = UNVERIFIED_BYTES // 2

    found = flooding(sent, {"a/1": half, "a/2": half + 1, "b/1": half, "b/2": half})

    assert found == {"a"}


def test_bytes_count_once(sent: ConnectionFloods) -> None:
    flooding(sent, {"a/1": UNVERIFIED_BYTES})

    assert flooding(sent, {"a/1": UNVERIFIED_BYTES + 1, "a/2": 10}) == set()


def test_a_look_that_comes_late_allows_more(sent: ConnectionFloods, clock: Clock) -> None:
    clock.now += 3.0

    assert flooding(sent, {"a/1": 3 * UNVERIFIED_BYTES, "b/1": 3 * UNVERIFIED_BYTES + 1}) == {
        "b"
    }


def test_a_source_may_not_have_more_connections_than_its_share(sent: ConnectionFloods) -> None:
    few = {f"a/{number}": 1 for number in range(CONNECTIONS)}
    many = {f"b/{number}": 1 for number in range(CONNECTIONS + 1)}

    assert flooding(sent, few | many) == {"b"}
