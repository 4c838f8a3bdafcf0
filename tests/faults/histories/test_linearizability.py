"""The search itself, on a register: histories whose answer is known."""

import math
import random
from dataclasses import dataclass
from itertools import permutations

import pytest

from tests.faults.histories.linearizability import (
    Call,
    Sequential,
    UndecidedError,
    linearize,
    shortest_violation,
)


@dataclass(frozen=True)
class Asked:
    verb: str
    number: int


def write(number: int, invoked: float, returned: float = math.inf) -> Call[Asked]:
    return Call(Asked("write", number), invoked, returned)


def read(number: int, invoked: float, returned: float) -> Call[Asked]:
    return Call(Asked("read", number), invoked, returned)


def step(state: int, asked: Asked) -> int | None:
    if asked.verb == "write":
        return asked.number
    return state if asked.number == state else None


# A register's reader may see a number again that was overwritten, so its reads are searched.
REGISTER = Sequential(0, step)

LINEARIZABLE = {
    "nothing happened": [],
    "one after another": [write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7)],
    "a read beside a write sees the old": [write(1, 0, 5), read(0, 1, 2), read(1, 3, 4)],
    "two writes in the other order": [write(1, 0, 5), write(2, 1, 4), read(1, 6, 7)],
    "a write without an answer happened": [write(1, 0), read(1, 2, 3)],
    "a write without an answer never happened": [write(1, 0), read(0, 2, 3)],
    "a write without an answer happened late": [write(1, 0), read(0, 2, 3), read(1, 4, 5)],
    "it happened between two others": [
        *(write(1, 0), write(2, 1, 2), read(2, 3, 4), read(1, 5, 6), write(3, 7, 8)),
        read(3, 9, 10),
    ],
}
BROKEN = {
    "a write that is lost": [write(1, 0, 1), read(0, 2, 3)],
    "a value out of nowhere": [read(7, 0, 1)],
    "a read that goes back": [write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)],
    "a cache": [write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)],
    "two readers that see two orders": [
        *(write(1, 0, 9), write(2, 1, 8), read(1, 10, 13), read(2, 11, 14)),
        *(read(1, 15, 17), read(2, 16, 18), read(1, 19, 20)),
    ],
    "a write without an answer that happened and did not": [
        *(write(1, 0), read(1, 2, 3), read(0, 4, 5))
    ],
    "a write without an answer that happened twice": [
        *(write(1, 0), write(2, 1, 2), read(1, 3, 4)),
        *(write(3, 5, 6), read(1, 7, 8)),
    ],
    "a read before anybody wrote": [read(1, 0, 1), write(1, 2)],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_an_order_is_found_if_there_is_one(name: str) -> None:
    history = LINEARIZABLE[name]

    found = linearize(history, REGISTER)

    assert found.found
    assert {call for call in history if call.answered} <= set(found.order)
    assert _legal(found.order)


@pytest.mark.parametrize("name", BROKEN)
def test_none_is_found_if_there_is_none(name: str) -> None:
    assert not linearize(BROKEN[name], REGISTER).found


def _legal(order: tuple[Call[Asked], ...]) -> bool:
    """Whether the calls, one at a time, are answered so and respect what was over before."""
    state: int | None = 0
    for index, call in enumerate(order):
        if any(later.returned < call.invoked for later in order[index:]):
            return False
        state = step(state or 0, call.operation)
        if state is None:
            return False
    return True


RANDOM = range(150)


def test_the_search_agrees_with_trying_every_order() -> None:
    histories = [a_history(random.Random(seed)) for seed in RANDOM]

    found = [linearize(history, REGISTER).found for history in histories]

    assert found == [_has_an_order(history) for history in histories]
    assert 30 < sum(found) < 120  # both answers are among them


def a_history(chance: random.Random) -> list[Call[Asked]]:
    """Five short calls on a number below three, many of which overlap."""
    calls = []
    for _ in range(5):
        verb, number = chance.choice(("write", "read")), chance.randrange(3)
        start = chance.uniform(0, 5)
        lost = verb == "write" and chance.random() < 0.3
        end = math.inf if lost else start + chance.uniform(0, 4)
        calls.append(Call(Asked(verb, number), start, end))
    return calls


def _has_an_order(history: list[Call[Asked]]) -> bool:
    answered = [call for call in history if call.answered]
    return any(
        _legal(order)
        for length in range(len(answered), len(history) + 1)
        for order in permutations(history, length)
        if set(answered) <= set(order)
    )


def test_twelve_writes_without_an_answer_are_not_tried_in_every_order() -> None:
    lost = [write(number, 0) for number in range(1, 13)]

    assert not linearize([*lost, read(99, 1, 2)], REGISTER).found


def test_a_search_without_end_is_given_up() -> None:
    lost = [write(number, 0) for number in range(1, 25)]

    with pytest.raises(UndecidedError, match="25 calls"):
        linearize([*lost, read(99, 1, 2)], REGISTER, limit=10_000)


def test_a_long_history_of_few_overlaps_is_searched_in_no_time() -> None:
    history = [
        call
        for number in range(400)
        for call in (
            write(number, 10 * number, 10 * number + 5),
            read(number, 10 * number + 6, 10 * number + 7),
        )
    ]

    assert linearize(history, REGISTER, limit=3_000).found


READ_ONCE = Sequential(0, step, lambda asked: asked.verb == "read")


def test_a_violation_is_told_by_as_few_calls_as_show_it() -> None:
    before = [write(1, 0, 1), read(1, 2, 3), read(1, 4, 5)]
    broken = [write(2, 6, 7), read(1, 8, 9)]
    after = [write(3, 10, 11), read(3, 12, 13), write(4, 14)]

    assert shortest_violation([*before, *broken, *after], READ_ONCE) == [before[0], *broken]


def test_what_had_not_returned_when_it_broke_is_told_as_not_answered() -> None:
    overlapping = write(2, 2, 20)
    told = shortest_violation([write(1, 0, 1), overlapping, read(7, 3, 4)], READ_ONCE)

    assert [call.answered for call in told] == [True, False, True]
