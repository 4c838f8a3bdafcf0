"""What came of each name of a decrypt, and where that is written down."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol


class Answer(StrEnum):
    """How a decrypt ended for one name. All but GRANTED are the texts of Grafana's wire."""

    GRANTED = "granted"
    NOT_FOUND = "not found"
    NOT_AUTHORIZED = "not authorized"
    DECRYPTION_FAILED = "decryption failed"


class DecryptRecord(NamedTuple):
    """Who asked for what in one call, and of which names the same came; never a value."""

    service_identity: str
    claimed_identity: str  # what the caller says of itself, unverified
    issuer: str
    subject: str
    namespace: str
    answer: Answer
    reason: str
    names: Sequence[str]
    versions: Sequence[int]  # of each name; 0 where none is known


class DecisionLog(Protocol):
    """Where every decrypt decision is written down, name by name.

    Suite: tests/contracts/vault_svc/decision_log.py.
    """

    async def record(self, decided: Sequence[DecryptRecord]) -> None:
        """The decisions on each of the names are on record when this returns.

        Raises nothing but CancelledError, after which they are on record all the same.
        """
        ...
