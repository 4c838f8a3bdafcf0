"""Which sources make too many calls that nobody vouches for."""

import pytest

from chassis.flood_detector import (
    REMEMBERED_SOURCES,
    UNVERIFIED_CALLS,
    WINDOW_SECONDS,
    FloodDetector,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def detector(clock: Clock) -> FloodDetector:
    return FloodDetector(clock)


def floods(detector: FloodDetector, source: str, calls: int = 1) -> list[bool]:
    return [detector.floods(source) for _ in range(calls)]


def test_a_source_floods_from_the_first_call_beyond_the_limit(detector: FloodDetector) -> None:
    seen = floods(detector, "192.0.2.1", UNVERIFIED_CALLS + 2)

    assert seen == [False] * UNVERIFIED_CALLS + [True, True]


def test_calls_of_a_window_that_is_over_do_not_count(
    detector: FloodDetector, clock: Clock
) -> None:
    floods(detector, "192.0.2.1", UNVERIFIED_CALLS)
    clock.now += WINDOW_SECONDS

    assert floods(detector, "192.0.2.1") == [False]


def test_each_source_counts_by_itself(detector: FloodDetector) -> None:
    floods(detector, "192.0.2.1", UNVERIFIED_CALLS)

    assert floods(detector, "192.0.2.2") == [False]


def test_the_source_that_was_seen_last_is_remembered_longest(detector: FloodDetector) -> None:
    floods(detector, "192.0.2.1", UNVERIFIED_CALLS)
    floods(detector, "192.0.2.2", UNVERIFIED_CALLS - 1)
    for number in range(REMEMBERED_SOURCES - 1):
        floods(detector, f"2001:db8:0:{number:x}::/64")
        floods(detector, "192.0.2.2", number == 0)

    assert floods(detector, "192.0.2.2") == [True]
    assert floods(detector, "192.0.2.1") == [False]
