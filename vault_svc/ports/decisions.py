"""What came of each name of a decrypt, and where that is written down."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Answer(StrEnum):
    """How a decrypt ended for one name. All but GRANTED are the texts of Grafana's wire."""

    GRANTED = "granted"
    NOT_FOUND = "not found"
    NOT_AUTHORIZED = "not authorized"
    DECRYPTION_FAILED = "decryption failed"


@dataclass(frozen=True, slots=True)
class DecryptRecord:
    """Who asked for what, and what came of it; never a value."""

    service_identity: str
    claimed_identity: str  # what the caller says of itself, unverified
    subject: str
    namespace: str
    name: str
    answer: Answer
    reason: str
    version: int = 0


class DecisionLog(Protocol):
    """Where every decrypt decision is written down.

    Suite: tests/contracts/vault_svc/decision_log.py.
    """

    def record(self, decision: DecryptRecord) -> None:
        """The decision is on record. Raises nothing."""
        ...
