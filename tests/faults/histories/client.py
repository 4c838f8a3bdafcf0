"""What a client promises whoever records a history, and what both kinds of it share."""

from typing import Protocol

from splitkeep.local.stack import SERVICE_IDENTITY
from tests.faults.histories.history import History
from tests.faults.histories.model import Answer, Operation, Spec, Verb

CALL_SECONDS = 4.0
LABEL = "label"


class Client(Protocol):
    """Is given an operation without an answer and gives it back with one.

    Raises nothing: what neither was done nor refused stays without an answer, since it may have
    happened, or may yet.
    """

    verbs: frozenset[Verb]

    async def ask(self, history: History, asked: Operation) -> Operation: ...


def conflict(message: str) -> Answer:
    """Which of the two conflicts this is."""
    return Answer.TOO_LATE if Answer.TOO_LATE in message else Answer.CONFLICT


def decrypters(spec: Spec) -> list[str]:
    """Who is on the list."""
    return [SERVICE_IDENTITY] if spec.allowed else []


def labels(spec: Spec) -> dict[str, str]:
    """All of them."""
    return {LABEL: spec.label} if spec.label else {}
