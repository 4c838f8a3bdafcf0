"""Every decrypt decision as one structured log line and one count."""

from typing import Protocol

import structlog

from chassis.metrics import Metrics
from vault_svc.ports.decisions import Answer, DecryptRecord

EVENT = "decrypt"


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

    def record(self, decision: DecryptRecord) -> None:
        """See ports.DecisionLog.record."""
        self._counts[decision.answer].inc()
        failed = decision.answer is Answer.DECRYPTION_FAILED
        (self._log.error if failed else self._log.info)(
            EVENT,
            identity=decision.service_identity,
            claimed_identity=decision.claimed_identity,
            subject=decision.subject,
            namespace=decision.namespace,
            name=decision.name,
            decision=decision.answer.value,
            reason=decision.reason,
            version=decision.version,
        )
