"""One secure value as it should be for a single caller: what the histories are held against.

- What counts (version, generation) is known after every write, answered or not. A uid and a
  resource version are known once somebody was shown them; until then they are None.
- No two writes of one name describe it alike, so a reader tells which write it read.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.faults.histories.linearizability import Sequential


class Verb(StrEnum):
    CREATE = "create"
    UPDATE = "update"  # with a value
    EDIT = "edit"  # everything but the value
    PATCH = "patch"  # the given fields
    DELETE = "delete"
    GET = "get"
    DECRYPT = "decrypt"


READS = frozenset({Verb.GET, Verb.DECRYPT})
VALUED = frozenset({Verb.CREATE, Verb.UPDATE})


class Answer(StrEnum):
    DONE = "done"
    NOT_FOUND = "not found"
    ALREADY_EXISTS = "already exists"
    CONFLICT = "conflict"
    TOO_LATE = "took too long"  # a claim that the sweeper came before
    NOT_AUTHORIZED = "not authorized"
    UNKNOWN = "no answer"
    WRONG = "what is never answered"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a caller chooses; None leaves it as it is."""

    description: str | None = None
    allowed: bool | None = None  # whether the tests' decrypter is on the list
    label: str | None = None

    def over(self, other: "Spec") -> "Spec":
        """The other one, changed where this one says something."""
        return Spec(
            other.description if self.description is None else self.description,
            other.allowed if self.allowed is None else self.allowed,
            other.label if self.label is None else self.label,
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """The secure value as an answer shows it."""

    uid: str
    resource_version: int
    generation: int
    version: int
    spec: Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is asked and, once there is one, the answer."""

    verb: Verb
    spec: Spec = Spec()
    value: str = ""  # the name of the value that is written, or was decrypted
    version: int = 0  # of the value that was decrypted
    expected: int | None = None  # the resource version that it is to find
    answer: Answer = Answer.UNKNOWN
    shown: Shown | None = None  # by every write and get that was done, but REST's delete

    @property
    def is_refused(self) -> bool:
        return self.answer not in {Answer.DONE, Answer.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Live:
    """There is one."""

    generation: int
    version: int
    value: str
    spec: Spec
    uid: str | None = None
    resource_version: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A name: how many values it has had, the newest resource version seen, what is there."""

    last_version: int = 0
    newest: int = 0
    live: Live | None = None


def step(state: State, operation: Operation) -> State | None:
    """The state after it; None if nobody is answered so in this state."""
    if operation.is_refused:
        return state if _refused(state.live, operation) else None
    after = _effect(state, operation)
    if after is None or operation.answer is Answer.UNKNOWN:
        return after
    if operation.verb is Verb.DECRYPT:
        return state if state.live and _opens(state.live, operation) else None
    if operation.verb is Verb.DELETE:
        right = operation.shown is None or _showing(state, operation.shown)
        return after if right else None
    return _showing(after, operation.shown)


def reads(operation: Operation) -> bool:
    """See Sequential."""
    return operation.verb in READS or operation.is_refused


ONE_SECURE_VALUE = Sequential(State(), step, reads)


def _refused(live: Live | None, operation: Operation) -> bool:
    """Whether it is right to refuse it so."""
    right = _RIGHT_TO_REFUSE.get(operation.answer)
    return right is not None and right(live, operation)


def _conflicts(live: Live | None, operation: Operation) -> bool:
    if operation.expected is None:
        # An update of what is re-created between its two steps, or a patch always overtaken.
        return live is not None and operation.verb in {Verb.UPDATE, Verb.PATCH}
    # Whoever expects one was shown it: one that nobody was shown is another.
    return live is not None and operation.expected != live.resource_version


_RIGHT_TO_REFUSE: dict[Answer, Callable[[Live | None, Operation], bool]] = {
    Answer.NOT_FOUND: lambda live, asked: live is None and asked.verb is not Verb.CREATE,
    Answer.ALREADY_EXISTS: lambda live, asked: live is not None and asked.verb is Verb.CREATE,
    Answer.NOT_AUTHORIZED: lambda live, _: live is not None and not live.spec.allowed,
    Answer.TOO_LATE: lambda _, asked: asked.verb in VALUED,
    Answer.CONFLICT: _conflicts,
}


def _effect(state: State, operation: Operation) -> State | None:
    """What it does when it happens; None where it cannot."""
    if operation.verb in READS:
        return state
    if operation.verb is Verb.CREATE:
        return None if state.live else _written(state, operation, generation=1)
    live = state.live
    if live is None or operation.expected not in {None, live.resource_version}:
        return None
    return _changed(state, live, operation)


def _changed(state: State, live: Live, operation: Operation) -> State:
    if operation.verb is Verb.DELETE:
        return replace(state, live=None)
    if operation.verb is Verb.UPDATE:
        return _written(state, operation, generation=live.generation + 1)
    return replace(state, live=_edited(live, operation.spec.over(live.spec)))


def _written(state: State, operation: Operation, *, generation: int) -> State:
    version = state.last_version + 1
    uid = state.live.uid if state.live else None
    live = Live(generation, version, operation.value, operation.spec, uid)
    return replace(state, last_version=version, live=live)


def _edited(live: Live, spec: Spec) -> Live:
    before, after = (live.spec.description, live.spec.allowed), (spec.description, spec.allowed)
    generation = live.generation + int(before != after)
    return replace(live, generation=generation, spec=spec, resource_version=None)


def _opens(live: Live, decrypted: Operation) -> bool:
    right = (live.value, live.version) == (decrypted.value, decrypted.version)
    return right and live.spec.allowed is True


def _showing(state: State, shown: Shown | None) -> State | None:
    """The state with what is shown of it; None if it is not what is shown."""
    live = state.live
    if live is None or shown is None or not _is_like(live, shown):
        return None
    if live.resource_version is None and shown.resource_version <= state.newest:
        return None
    known = replace(live, uid=shown.uid, resource_version=shown.resource_version)
    return replace(state, newest=shown.resource_version, live=known)


def _is_like(live: Live, shown: Shown) -> bool:
    return (
        (live.generation, live.version, live.spec)
        == (shown.generation, shown.version, shown.spec)
        and live.uid in {None, shown.uid}
        and live.resource_version in {None, shown.resource_version}
    )
