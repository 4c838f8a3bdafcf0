"""Which sources flood a port."""

import pytest

from chassis.flood_detector import (
    FIRST_BYTES,
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


def peer(source: str, number: int = 1) -> str:
    """A connection of the source, which is an IPv4 address."""
    return f"ipv4:{source}:{number}"


A, B = "192.0.2.1", "192.0.2.2"


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
    half = FIRST_BYTES + UNVERIFIED_BYTES // 2
    received = {peer(A, 1): half, peer(A, 2): half + 1, peer(B, 1): half, peer(B, 2): half}

    assert sent.sources(received, ()) == {A}


def test_the_first_bytes_of_each_connection_do_not_count(clock: Clock) -> None:
    """A hundred clients begin their first call at the same moment."""
    sent = ConnectionFloods(clock, connections=100)

    assert sent.sources({peer(A, n): FIRST_BYTES for n in range(100)}, ()) == set()


def test_bytes_count_once(sent: ConnectionFloods) -> None:
    sent.sources({peer(A): FIRST_BYTES + UNVERIFIED_BYTES}, ())

    assert sent.sources({peer(A): FIRST_BYTES + UNVERIFIED_BYTES + 1}, ()) == set()


def test_a_look_that_comes_late_allows_more(sent: ConnectionFloods, clock: Clock) -> None:
    clock.now += 3.0
    allowed = FIRST_BYTES + 3 * UNVERIFIED_BYTES

    assert sent.sources({peer(A): allowed, peer(B): allowed + 1}, ()) == {B}


def test_a_source_may_not_have_more_connections_than_its_share(sent: ConnectionFloods) -> None:
    few = {peer(A, number): 1 for number in range(CONNECTIONS)}
    many = {peer(B, number): 1 for number in range(CONNECTIONS + 1)}

    assert sent.sources(few | many, [peer(A, 99)]) == {B}


def test_a_source_with_a_trusted_connection_may_have_any_number(
    sent: ConnectionFloods,
) -> None:
    """Clients behind one address connect again, and one after another is verified."""
    many = {peer(B, number): 1 for number in range(100)}

    assert sent.sources(many, [peer(B, 200)]) == set()
