"""The questions of a Resolve and the decisions on them, packed as they cross the wire.

Every decrypt passes here, with up to 1 000 names: lists, and no message for each name.
"""

from collections.abc import Sequence

from metadata_svc.domain.access import Decision, Resolution
from metadata_svc.domain.keeper import SYSTEM_KEEPER
from metadata_svc.use_cases.resolve import Question
from protos.splitkeep.metadata.v1 import vault_peer_pb2

_DECISIONS = {
    Decision.ALLOWED: vault_peer_pb2.DECISION_ALLOWED,
    Decision.NOT_FOUND: vault_peer_pb2.DECISION_NOT_FOUND,
    Decision.NOT_AUTHORIZED: vault_peer_pb2.DECISION_NOT_AUTHORIZED,
}


def question_from_proto(question: vault_peer_pb2.Question) -> Question:
    """Field by field; nothing is checked."""
    return Question(question.namespace, list(question.names), question.service_identity)


def decisions_to_proto(resolutions: Sequence[Resolution]) -> vault_peer_pb2.Decisions:
    """The answer to one question, name by name; nothing if there is no answer to it."""
    allowed = [r.location for r in resolutions if r.location is not None]
    keepers = [location.keeper for location in allowed]
    return vault_peer_pb2.Decisions(
        decisions=[_DECISIONS[r.decision] for r in resolutions],
        value_ids=b"".join([location.value_id.bytes for location in allowed]),
        versions=[location.version for location in allowed],
        keepers=keepers if any(keeper != SYSTEM_KEEPER for keeper in keepers) else None,
    )
