"""Which call is served next, when more have come than are served at a time."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.fair_queue import FairQueue

GREEDY, POLITE = 1, 2


class Turn:
    """Remembers that it has come."""

    def __init__(self, call: tuple[int, int], started: list[tuple[int, int]]) -> None:
        self._call, self._started = call, started
        self.cancelled = False

    def set_result(self, _result: None) -> None:
        assert not self.cancelled
        self._started.append(self._call)

    def done(self) -> bool:
        return self.cancelled


class Calls:
    """Enters calls into a queue and remembers in which order they were started."""

    def __init__(self, limit: int) -> None:
        self.queue = FairQueue(limit)
        self.started: list[tuple[int, int]] = []
        self.turns: dict[tuple[int, int], Turn] = {}
        self.left = 0

    def enter(self, caller: int, *numbers: int) -> None:
        for call in ((caller, number) for number in numbers):
            self.turns[call] = Turn(call, self.started)
            if self.queue.enter(caller, self.turns[call]):
                self.started.append(call)

    def leave(self, calls: int) -> None:
        for caller, _ in self.started[self.left : self.left + calls]:
            self.queue.leave(caller)
        self.left += calls

    def withdraw(self, caller: int, number: int) -> None:
        self.queue.withdraw(caller, self.turns.pop((caller, number)))


def test_a_call_that_finds_room_is_started_at_once() -> None:
    calls = Calls(2)
    calls.enter(GREEDY, 0, 1)

    assert calls.started == [(GREEDY, 0), (GREEDY, 1)]


def test_a_call_too_many_is_started_when_another_leaves() -> None:
    calls = Calls(1)
    calls.enter(GREEDY, 0, 1)
    assert calls.started == [(GREEDY, 0)]

    calls.leave(1)

    assert calls.started == [(GREEDY, 0), (GREEDY, 1)]


def test_who_has_one_call_waiting_is_served_before_who_has_many_is_again() -> None:
    calls = Calls(1)
    calls.enter(GREEDY, *range(100))
    calls.enter(POLITE, 0)

    for _ in range(3):
        calls.leave(1)

    assert calls.started == [(GREEDY, 0), (GREEDY, 1), (POLITE, 0), (GREEDY, 2)]


def test_a_caller_alone_leaves_room_for_the_first_call_of_another() -> None:
    calls = Calls(8)
    calls.enter(GREEDY, *range(100))
    calls.enter(POLITE, 0)

    assert calls.started[-1] == (POLITE, 0)
    assert len(calls.started) == 7


def test_a_callers_calls_are_started_as_they_came() -> None:
    calls = Calls(4)
    calls.enter(GREEDY, *range(10))
    while calls.left < len(calls.started):
        calls.leave(1)

    assert calls.started == [(GREEDY, number) for number in range(10)]


def test_a_call_that_withdraws_is_never_started_and_leaves_nothing() -> None:
    calls = Calls(1)
    calls.enter(GREEDY, 0, 1, 2)
    calls.enter(POLITE, 0)

    calls.withdraw(GREEDY, 1)
    calls.withdraw(POLITE, 0)
    calls.leave(1)

    assert calls.started == [(GREEDY, 0), (GREEDY, 2)]
    assert calls.queue._waiting == {}


def test_a_call_that_has_given_up_and_not_yet_withdrawn_is_passed_over() -> None:
    calls = Calls(1)
    calls.enter(GREEDY, 0, 1, 2)
    calls.turns[GREEDY, 1].cancelled = True

    calls.leave(1)
    calls.withdraw(GREEDY, 1)
    calls.leave(1)

    assert calls.started == [(GREEDY, 0), (GREEDY, 2)]
    assert calls.queue._waiting == {}


@given(limit=st.integers(1, 40), callers=st.lists(st.integers(0, 4), max_size=200))
def test_every_call_is_started_once_and_nothing_is_kept(limit: int, callers: list[int]) -> None:
    calls = Calls(limit)
    for number, caller in enumerate(callers):
        calls.enter(caller, number)
        assert len(calls.started) <= limit
    while calls.left < len(calls.started):
        assert len(calls.started) - calls.left <= limit
        calls.leave(1)

    assert sorted(calls.started) == sorted(zip(callers, range(len(callers)), strict=True))
    assert calls.queue._waiting == {}  # memory that grows is what this is about
