"""Who gets a place when there are not enough for all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.admission import ConcurrencyLimiter


def filled(places: ConcurrencyLimiter, caller: int) -> int:
    """How many places the caller gets if it takes all that it can."""
    taken = 0
    while places.has_room_for(caller):
        places.take(caller)
        taken += 1
    return taken


def test_one_caller_alone_leaves_a_quarter_free() -> None:
    assert filled(ConcurrencyLimiter(256), 1) == 192


def test_the_more_callers_the_fewer_places_each_may_hold() -> None:
    places = ConcurrencyLimiter(256)
    takers = range(1, 5)
    held = dict.fromkeys(takers, 0)
    while any(places.has_room_for(caller) for caller in takers):
        for caller in takers:
            if places.has_room_for(caller):
                places.take(caller)
                held[caller] += 1

    assert max(held.values()) - min(held.values()) <= 1
    assert places.taken < 256


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_few_places_are_for_whoever_comes(limit: int) -> None:
    assert filled(ConcurrencyLimiter(limit), 1) == limit


@given(limit=st.integers(4, 2_000))
def test_no_caller_alone_fills_all_places(limit: int) -> None:
    places = ConcurrencyLimiter(limit)
    filled(places, 1)

    assert places.has_room_for(2)


@given(limit=st.integers(0, 100), takers=st.lists(st.integers(0, 3), max_size=200))
def test_whoever_has_nothing_has_room_unless_it_is_full(limit: int, takers: list[int]) -> None:
    places = ConcurrencyLimiter(limit)
    for caller in takers:
        assert places.full != places.has_room_for(4)
        if places.has_room_for(caller):
            places.take(caller)


def test_who_has_waited_gets_what_is_given_back() -> None:
    places = ConcurrencyLimiter(8)
    filled(places, 1)
    filled(places, 2)

    for _ in range(3):
        places.give_back(1)

    assert places.has_room_for(2)


@given(st.lists(st.integers(0, 3), max_size=200))
def test_whatever_is_taken_and_given_back_nothing_is_left(takers: list[int]) -> None:
    places = ConcurrencyLimiter(16)
    inside = []
    for caller in takers:
        if places.has_room_for(caller):
            places.take(caller)
            inside.append(caller)
    for caller in inside:
        places.give_back(caller)

    assert places.taken == 0
    assert not places._held  # memory that grows is what this is about
