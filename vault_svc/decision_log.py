"""Every decrypt decision in a structured log line, and counted.

Names of one call of which the same came share a line: a line for each would cost more than
opening the value does.
"""

from typing import Protocol

import structlog

from chassis.metrics import Metrics
from vault_svc.ports.decisions import Answer, DecryptRecord

EVENT = "decrypt"
NAMES_PER_LINE = 100


class _Logger(Protocol):
    def info(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


class StructuredDecisionLog:
    """See ports.DecisionLog. What does not open is an error: damage, or someone's hand."""

    def __init__(self, metrics: Metrics) -> None:
        self._log: _Logger = structlog.get_logger(__name__)
        counter = metrics.counter(
            "vault_decrypt_decisions", "Names decided on, by answer.", ("answer",)
        )
        self._counts = {answer: counter.labels(answer.name.lower()) for answer in Answer}

    def record(self, decided: DecryptRecord) -> None:
        """See ports.DecisionLog.record."""
        self._counts[decided.answer].inc(len(decided.names))
        for start in range(0, len(decided.names), NAMES_PER_LINE):
            self._write(decided, slice(start, start + NAMES_PER_LINE))

    def _write(self, decided: DecryptRecord, part: slice) -> None:
        failed = decided.answer is Answer.DECRYPTION_FAILED
        (self._log.error if failed else self._log.info)(
            EVENT,
            identity=decided.service_identity,
            claimed_identity=decided.claimed_identity,
            subject=decided.subject,
            namespace=decided.namespace,
            decision=decided.answer.value,
            reason=decided.reason,
            names=decided.names[part],
            versions=decided.versions[part],
        )
