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
    return Question(question.namespace, question.names[:], question.service_identity)


def answers_to_proto(
    answers: Sequence[Sequence[Resolution]],
) -> vault_peer_pb2.ResolveResponse:
    """One for each question, in the order asked; an empty one where there is no answer."""
    response = vault_peer_pb2.ResolveResponse()
    for resolutions in answers:
        _add_to(response, resolutions)
    return response


def _add_to(
    response: vault_peer_pb2.ResolveResponse, resolutions: Sequence[Resolution]
) -> None:
    """Made in its place: a message that is made elsewhere is copied there."""
    allowed = [r.location for r in resolutions if r.location is not None]
    decisions = response.answers.add(
        decisions=[_DECISIONS[r.decision] for r in resolutions],
        value_ids=b"".join([location.value_id.bytes for location in allowed]),
        versions=[location.version for location in allowed],
    )
    keepers = [location.keeper for location in allowed]
    if keepers.count(SYSTEM_KEEPER) < len(keepers):
        decisions.keepers.extend(keepers)
