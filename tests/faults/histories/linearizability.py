"""Whether calls that overlapped could have been made one at a time.

A history is linearizable if every call can be given one moment between its invocation and its
return, so that the calls, taken in the order of these moments, answer what a sequential object
answers (Herlihy and Wing, 1990).

- The search is Wing and Gong's (1993): take any call that no other had to precede, see whether
  the object could have answered so, go on with the rest, go back when nothing fits.
- It remembers, as Lowe's does (2017), which calls it has taken and where that led: the same
  calls in another order that leave the same state are not looked at again.
- A call without an answer may have happened at any moment since, or never.
- A prefix of a linearizable history is linearizable, so a broken one has a shortest broken
  prefix; `shortest_violation` finds it.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)
Operation = TypeVar("Operation")

CONFIGURATIONS = 200_000


@dataclass(frozen=True, slots=True)
class Call(Generic[Operation]):
    """What was asked and answered, and the moments around it; no answer, no return."""

    operation: Operation
    invoked: float
    returned: float = math.inf
    caller: int = 0

    @property
    def answered(self) -> bool:
        """Whether it is known that it happened."""
        return self.returned < math.inf


@dataclass(frozen=True, slots=True)
class Sequential(Generic[State, Operation]):
    """An object that is used by one caller at a time.

    - `step` is the state after an operation, None where the object does not answer so.
    - `reads` tells an operation that changes nothing in any state, and is possible in states
      that follow one another only. Such a one is best taken as soon as it fits.
    """

    initial: State
    step: Callable[[State, Operation], State | None]
    reads: Callable[[Operation], bool] = lambda _operation: False


class UndecidedError(Exception):
    """The search was given up: there are too many ways to order the calls."""


@dataclass(frozen=True, slots=True)
class Linearization(Generic[State, Operation]):
    """The longest order found: of all answered calls if there is one, and where it leads."""

    order: tuple[Call[Operation], ...]
    state: State
    found: bool


def linearize(
    history: Sequence[Call[Operation]],
    against: Sequential[State, Operation],
    *,
    limit: int = CONFIGURATIONS,
) -> Linearization[State, Operation]:
    """An order of the calls, if there is one. Raises UndecidedError after `limit` attempts."""
    calls = sorted(history, key=lambda call: call.invoked)
    answered = sum(1 << index for index, call in enumerate(calls) if call.answered)
    seen: set[tuple[int, State]] = {(0, against.initial)}
    longest: tuple[int, ...] = ()
    furthest = against.initial
    unexplored: list[tuple[int, State, tuple[int, ...]]] = [(0, against.initial, ())]
    while unexplored:
        taken, state, order = unexplored.pop()
        if len(order) > len(longest):
            longest, furthest = order, state
        if taken & answered == answered:
            return Linearization(tuple(calls[i] for i in order), state, found=True)
        for index, after in _steps(calls, taken, state, against):
            configuration = (taken | 1 << index, after)
            if configuration not in seen:
                seen.add(configuration)
                unexplored.append((*configuration, (*order, index)))
        if len(seen) > limit:
            raise UndecidedError(f"more than {limit} ways to order {len(calls)} calls")
    return Linearization(tuple(calls[i] for i in longest), furthest, found=False)


def _steps(
    calls: Sequence[Call[Operation]],
    taken: int,
    state: State,
    against: Sequential[State, Operation],
) -> list[tuple[int, State]]:
    """The calls that may be next and what each leads to, the most promising last."""
    steps = []
    for index in _candidates(calls, taken):
        after = against.step(state, calls[index].operation)
        if after is None:
            continue
        if calls[index].answered and against.reads(calls[index].operation):
            return [(index, after)]
        steps.append((index, after))
    # What never answered is tried last: it explains what nothing else does.
    return sorted(steps, key=lambda step: calls[step[0]].returned, reverse=True)


def _candidates(calls: Sequence[Call[Operation]], taken: int) -> Iterator[int]:
    """Calls yet to be taken, which were made before any other of those had returned."""
    first_return = math.inf
    for index, call in enumerate(calls):
        if call.invoked > first_return:
            return
        if not taken >> index & 1:
            yield index
            first_return = min(first_return, call.returned)


def shortest_violation(
    history: Sequence[Call[Operation]], against: Sequential[State, Operation]
) -> list[Call[Operation]]:
    """As few calls of a history as show that it is not linearizable.

    Its shortest prefix that is not, without those readers of it that are not needed: what was
    read tells of writes, so no write can be left out. Raises UndecidedError.
    """
    prefix = _shortest_prefix(history, against)
    for call in reversed(prefix[:]):
        without = [other for other in prefix if other is not call]
        if against.reads(call.operation) and not linearize(without, against).found:
            prefix = without
    return prefix


def _shortest_prefix(
    history: Sequence[Call[Operation]], against: Sequential[State, Operation]
) -> list[Call[Operation]]:
    ends = sorted(call.returned for call in history if call.answered)
    linearizable, broken = -1, len(ends) - 1
    while broken - linearizable > 1:
        middle = (linearizable + broken) // 2
        if linearize(_until(ends[middle], history), against).found:
            linearizable = middle
        else:
            broken = middle
    return _until(ends[broken], history)


def _until(end: float, history: Sequence[Call[Operation]]) -> list[Call[Operation]]:
    """As it was known then: what returned later had not answered."""
    return [
        call if call.returned <= end else replace(call, returned=math.inf)
        for call in sorted(history, key=lambda call: call.invoked)
        if call.invoked <= end
    ]
