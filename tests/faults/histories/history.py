"""What was asked of one name and answered, as it is recorded and as a person reads it.

No value is in it: values have names, v1, v2, …, by which whoever records tells them.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.e2e.stack import a_canary
from tests.faults.histories.linearizability import Call, linearize, shortest_violation
from tests.faults.histories.model import (
    ONE_SECURE_VALUE,
    READS,
    VALUED,
    Answer,
    Live,
    Operation,
    Shown,
    Spec,
    State,
    Verb,
)

FOREIGN = "a value that nobody gave it"
Calls = Sequence[Call[Operation]]
Ask = Callable[[Operation], Awaitable[Operation]]


class Moments:
    """A clock that never shows the same twice: the order of events in this process."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def next(self) -> int:
        return next(self._numbers)


@dataclass(slots=True)
class History:
    """One name's calls, in the order of their answers."""

    name: str
    moments: Moments
    calls: list[Call[Operation]] = field(default_factory=list)
    seen: int | None = None  # the resource version that was last shown to anybody
    _values: dict[str, str] = field(default_factory=dict, repr=False)

    def new_value(self) -> str:
        """The name of a value that there was not yet."""
        name = f"v{len(self._values) + 1}"
        self._values[name] = a_canary()
        return name

    def value(self, name: str) -> str:
        """The value of this name."""
        return self._values[name]

    def name_of(self, value: str) -> str:
        """The name of this value."""
        return next((n for n, known in self._values.items() if known == value), FOREIGN)

    async def record(self, caller: int, intent: Operation, ask: Ask) -> Operation:
        """The answer; it is in the history, unless nothing can be learnt from it."""
        invoked = self.moments.next()
        done = await ask(intent)
        answered = done.answer is not Answer.UNKNOWN
        if answered:
            self.calls.append(Call(done, invoked, self.moments.next(), caller))
            self.seen = done.shown.resource_version if done.shown else self.seen
        elif intent.verb not in READS:
            self.calls.append(Call(done, invoked, caller=caller))
        return done


def violations(histories: Iterable[History]) -> list[str]:
    """What is wrong with each that is not linearizable, for a person to read."""
    return [
        told(history.name, shortest_violation(history.calls, ONE_SECURE_VALUE))
        for history in histories
        if not linearize(history.calls, ONE_SECURE_VALUE).found
    ]


def told(name: str, calls: Calls) -> str:
    """These calls, drawn one below the other, and how far they can be put in order."""
    furthest = linearize(calls, ONE_SECURE_VALUE)
    numbers = {id(call): number for number, call in enumerate(calls, 1)}
    order = " ".join(f"#{numbers[id(call)]}" for call in furthest.order) or "nothing"
    return "\n".join(
        [
            f"{name}: these calls have no order in which each is answered rightly",
            *_drawn(calls),
            f"  as far as it goes: {order}, which leaves {_state(furthest.state)}",
        ]
    )


def _drawn(calls: Calls) -> Iterator[str]:
    moments = {call.invoked for call in calls}
    moments |= {call.returned for call in calls if call.answered}
    column = {moment: number for number, moment in enumerate(sorted(moments))}
    width = len(column)
    for number, call in enumerate(calls, 1):
        start, end = column[call.invoked], column.get(call.returned, width)
        bar = " " * start + "[" + "-" * (end - start - 1) + ("]" if call.answered else "…")
        yield f"  #{number:<3}c{call.caller} {bar:<{width}} {described(call)}"


def described(call: Call[Operation]) -> str:
    """In words."""
    operation = call.operation
    later = not call.answered and operation.answer is not Answer.UNKNOWN
    asked = [str(operation.verb)]
    if operation.verb in VALUED:
        asked.append(operation.value)
    asked += _spec(operation.spec)
    if operation.expected is not None:
        asked.append(f"if rv {operation.expected}")
    answered = ", ".join(_answered(operation))
    return f"{', '.join(asked)} → {'later ' if later else ''}{answered}"


def _answered(operation: Operation) -> list[str]:
    if operation.verb is Verb.DECRYPT and operation.answer is Answer.DONE:
        return [operation.value, f"version {operation.version}"]
    if operation.shown is None:
        return [str(operation.answer)]
    # What it was asked to be need not be repeated.
    as_asked = operation.shown.spec == operation.spec
    spec = [] if as_asked else _spec(operation.shown.spec)
    return [str(operation.answer), *_counts(operation.shown), *spec]


def _spec(spec: Spec) -> list[str]:
    allowed = {None: None, True: "allowed", False: "not allowed"}[spec.allowed]
    label = spec.label and f"label {spec.label}"
    return [word for word in (spec.description, allowed, label) if word]


def _counts(of: Shown | Live) -> list[str]:
    return [
        f"uid {of.uid[:4] if of.uid else '?'}",
        f"rv {of.resource_version or '?'}",
        f"generation {of.generation}",
        f"version {of.version}",
    ]


def _state(state: State) -> str:
    if state.live is None:
        return f"nothing (last version {state.last_version})"
    return ", ".join([state.live.value, *_counts(state.live), *_spec(state.live.spec)])
