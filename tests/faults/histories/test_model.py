"""The model itself: histories of one secure value whose judgement is known, and how it is told.

Whatever the services do is held against it, so it must refuse what they must never do.
"""

import math
from dataclasses import replace

import pytest

from tests.faults.histories.history import FOREIGN, History, Moments, violations
from tests.faults.histories.linearizability import Call
from tests.faults.histories.model import Answer, Operation, Shown, Spec, Verb

UID, OTHER_UID = "11111111-a", "22222222-b"
FIRST = Spec("d1", allowed=True, label="l1")
SECOND = Spec("d2", allowed=True, label="l2")
REMOVED = Spec("d2", allowed=False, label="l2")


def shown(resource_version: int, generation: int, version: int, spec: Spec) -> Shown:
    return Shown(UID, resource_version, generation, version, spec)


CREATED = Operation(
    verb=Verb.CREATE,
    spec=FIRST,
    value="v1",
    answer=Answer.DONE,
    shown=shown(10, 1, 1, FIRST),
)
UPDATED = Operation(
    verb=Verb.UPDATE,
    spec=SECOND,
    value="v2",
    answer=Answer.DONE,
    shown=shown(20, 2, 2, SECOND),
)
LOST = replace(UPDATED, answer=Answer.UNKNOWN, shown=None)
REMOVAL = Operation(
    verb=Verb.EDIT, spec=REMOVED, answer=Answer.DONE, shown=shown(20, 2, 1, REMOVED)
)
DELETED = Operation(verb=Verb.DELETE, answer=Answer.DONE, shown=shown(10, 1, 1, FIRST))
GONE = Operation(verb=Verb.GET, answer=Answer.NOT_FOUND)


def got(found: Shown) -> Operation:
    return Operation(verb=Verb.GET, answer=Answer.DONE, shown=found)


def decrypted(value: str, version: int) -> Operation:
    return Operation(verb=Verb.DECRYPT, answer=Answer.DONE, value=value, version=version)


def refused(verb: Verb, answer: Answer, expected: int | None = None) -> Operation:
    return Operation(verb=verb, answer=answer, expected=expected, spec=SECOND)


def one_after_another(*operations: Operation) -> History:
    return History(
        "a",
        Moments(),
        [
            Call(done, 2 * n, math.inf if done.answer is Answer.UNKNOWN else 2 * n + 1)
            for n, done in enumerate(operations)
        ],
    )


RIGHT = {
    "a life": [CREATED, decrypted("v1", 1), UPDATED, decrypted("v2", 2)],
    "what is not there": [GONE, refused(Verb.DECRYPT, Answer.NOT_FOUND), CREATED],
    "removed": [CREATED, REMOVAL, refused(Verb.DECRYPT, Answer.NOT_AUTHORIZED)],
    "stale": [CREATED, UPDATED, refused(Verb.EDIT, Answer.CONFLICT, expected=10)],
    "lost and happened": [CREATED, LOST, decrypted("v2", 2)],
    "lost and never happened": [CREATED, LOST, decrypted("v1", 1)],
    "lost and seen later": [CREATED, LOST, got(shown(20, 2, 2, SECOND)), decrypted("v2", 2)],
    "lost, and its resource version not the last": [
        *(CREATED, LOST, refused(Verb.EDIT, Answer.CONFLICT, expected=10))
    ],
    "a claim that the sweeper came before": [refused(Verb.UPDATE, Answer.TOO_LATE), CREATED],
    "versions go on after a delete": [
        *(CREATED, DELETED),
        replace(CREATED, shown=replace(shown(30, 1, 2, FIRST), uid=OTHER_UID)),
    ],
}
WRONG = {
    "an update that is lost": [CREATED, UPDATED, decrypted("v1", 1)],
    "a value of nobody": [CREATED, decrypted(FOREIGN, 1)],
    "a value under another version": [CREATED, decrypted("v1", 2)],
    "a removal that is not heeded": [CREATED, REMOVAL, decrypted("v1", 1)],
    "a removal that comes undone": [
        *(CREATED, REMOVAL, got(shown(30, 3, 1, replace(REMOVED, allowed=True))))
    ],
    "a delete that comes undone": [CREATED, DELETED, decrypted("v1", 1)],
    "a delete that shows what was not there": [CREATED, UPDATED, DELETED],
    "two writes that expected the same": [
        *(CREATED, UPDATED, replace(REMOVAL, expected=10, shown=shown(30, 3, 2, REMOVED)))
    ],
    "a conflict with what is there": [
        *(CREATED, refused(Verb.EDIT, Answer.CONFLICT, expected=10))
    ],
    "a conflict with nothing": [CREATED, refused(Verb.EDIT, Answer.CONFLICT)],
    "a generation that is left out": [
        *(CREATED, replace(UPDATED, shown=shown(20, 3, 2, SECOND)))
    ],
    "a version that is used again": [CREATED, DELETED, CREATED],
    "a resource version that does not grow": [
        *(CREATED, replace(UPDATED, shown=shown(10, 2, 2, SECOND)))
    ],
    "a uid that changes": [
        *(CREATED, replace(UPDATED, shown=replace(shown(20, 2, 2, SECOND), uid=OTHER_UID)))
    ],
    "two of one name": [CREATED, refused(Verb.CREATE, Answer.NOT_FOUND)],
    "an answer that is none": [CREATED, refused(Verb.GET, Answer.WRONG)],
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_may_happen_is_allowed(name: str) -> None:
    assert violations([one_after_another(*RIGHT[name])]) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_must_not_happen_is_found(name: str) -> None:
    assert len(violations([one_after_another(*WRONG[name])])) == 1


def test_a_violation_is_told_in_a_few_lines_and_without_a_value() -> None:
    history = one_after_another(
        CREATED, decrypted("v1", 1), REMOVAL, decrypted("v1", 1), UPDATED
    )

    (told,) = violations([history])

    assert told == (
        "a: these calls have no order in which each is answered rightly\n"
        "  #1  c0 []     create, v1, d1, allowed, label l1"
        " → done, uid 1111, rv 10, generation 1, version 1\n"
        "  #2  c0   []   edit, d2, not allowed, label l2"
        " → done, uid 1111, rv 20, generation 2, version 1\n"
        "  #3  c0     [] decrypt → v1, version 1\n"
        "  as far as it goes: #1 #2, which leaves "
        "v1, uid 1111, rv 20, generation 2, version 1, d2, not allowed, label l2"
    )
