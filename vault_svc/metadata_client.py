"""Metadata over gRPC: our words to its messages and back.

- Prepare and Claim are asked in the caller's name, with the caller's token; what metadata
  answers is the caller's to hear.
- That metadata cannot be had, or does not answer in the time it is given, is told in our own
  words: those of the transport have addresses in them.
- The other calls are the vault's own. A refusal of those is a fault of the installation, not
  of the caller, and every fault is UnavailableError.
- An answer about other things than were asked is a fault too: see metadata_answers.py.
"""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import TypeVar
from uuid import UUID

import grpc
import structlog

from chassis.deadline import remaining_seconds
from chassis.errors import DeadlineExceededError, KnownError, UnavailableError
from chassis.grpc_client import call
from chassis.held_streams import HeldStreams
from chassis.uuids import uuid_from_bytes
from protos.splitkeep.metadata.v1 import secure_value_pb2, vault_peer_pb2
from protos.splitkeep.metadata.v1.vault_peer_pb2_grpc import VaultPeerStub
from vault_svc.domain.draft import Draft, Operation, OwnerReference
from vault_svc.metadata_answers import (
    askable,
    check_claimed,
    check_page,
    check_prepared,
    check_preview,
    check_recorded,
    check_states,
    contradictory,
)
from vault_svc.ports.metadata import (
    SYSTEM_KEEPER,
    AlreadyWritten,
    Decision,
    Idempotency,
    Preparation,
    PreparedWrite,
    Question,
    ReleasedPage,
    ReleasedPlace,
    Resolution,
    SecureValue,
    ValueState,
    Write,
)
from vault_svc.ports.values import ValueKey

T = TypeVar("T")

WRITE_DEADLINE_SECONDS = 5.0
RESOLVE_DEADLINE_SECONDS = 2.0
SWEEP_DEADLINE_SECONDS = 10.0

PEER_SERVICE = vault_peer_pb2.DESCRIPTOR.services_by_name["VaultPeer"].full_name
CANNOT_BE_ASKED = "metadata cannot be asked"
_OTHER_NAMES = "other names were decided on than were asked"
_NO_TIME = "a time was answered that no release has"
ID_BYTES = 16
EARLIEST_RELEASE = datetime(1970, 1, 1, tzinfo=UTC)

_OPERATIONS = {
    Operation.CREATE: vault_peer_pb2.OPERATION_CREATE,
    Operation.UPDATE: vault_peer_pb2.OPERATION_UPDATE,
}
_OPERATIONS_BACK = {number: operation for operation, number in _OPERATIONS.items()}
_ALLOWED = vault_peer_pb2.DECISION_ALLOWED
_REFUSED = {
    vault_peer_pb2.DECISION_NOT_FOUND: Resolution(Decision.NOT_FOUND),
    vault_peer_pb2.DECISION_NOT_AUTHORIZED: Resolution(Decision.NOT_AUTHORIZED),
}
_STATES = {
    vault_peer_pb2.VALUE_STATE_CLAIMED: ValueState.CLAIMED,
    vault_peer_pb2.VALUE_STATE_RELEASED: ValueState.RELEASED,
    vault_peer_pb2.VALUE_STATE_REFUSED: ValueState.REFUSED,
    vault_peer_pb2.VALUE_STATE_ERASED: ValueState.ERASED,
}

_log = structlog.get_logger(__name__)


class GrpcMetadataClient:
    """See ports.MetadataClient."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = VaultPeerStub(channel)
        self._resolve = HeldStreams(self._stub.Resolve)

    async def prepare(self, write: Write) -> Preparation | AlreadyWritten:
        """See ports.MetadataClient.prepare."""
        answer = await _callers(
            call(
                self._stub.Prepare,
                vault_peer_pb2.PrepareRequest(
                    operation=_OPERATIONS[write.operation],
                    draft=_draft_to_proto(write.draft),
                    preconditions=_preconditions(write),
                    dry_run=write.dry_run,
                    idempotency=_idempotency_to_proto(write.idempotency),
                ),
                deadline_seconds=WRITE_DEADLINE_SECONDS,
                token=write.token,
            )
        )
        if answer.HasField("recorded"):
            check_recorded(write, answer.recorded)
            return AlreadyWritten(SecureValue(answer.recorded.SerializeToString()))
        prepared = _prepared_from_proto(answer.prepared)
        check_prepared(write, prepared, _preconditions(write))
        if not write.dry_run:
            return Preparation(prepared, None)
        check_preview(write, prepared, answer.preview)
        return Preparation(prepared, SecureValue(answer.preview.SerializeToString()))

    async def claim(self, write: Write, prepared: PreparedWrite) -> SecureValue:
        """See ports.MetadataClient.claim."""
        answer = await _callers(
            call(
                self._stub.Claim,
                vault_peer_pb2.ClaimRequest(
                    prepared=_prepared_to_proto(prepared),
                    draft=_draft_to_proto(write.draft),
                    preconditions=_preconditions(write),
                    idempotency=_idempotency_to_proto(write.idempotency),
                ),
                deadline_seconds=WRITE_DEADLINE_SECONDS,
                token=write.token,
            )
        )
        check_claimed(write, prepared, answer.secure_value)
        return SecureValue(answer.secure_value.SerializeToString())

    async def resolve(
        self, questions: Sequence[Question]
    ) -> tuple[tuple[Resolution, ...], ...]:
        """See ports.MetadataClient.resolve."""
        request = vault_peer_pb2.ResolveRequest()
        for namespace, names, service_identity in questions:
            request.questions.add(
                namespace=namespace, names=names, service_identity=service_identity
            )
        answer = await _own(
            self._resolve.ask(request, deadline_seconds=RESOLVE_DEADLINE_SECONDS)
        )
        if len(answer.answers) != len(questions):
            contradictory("other questions were answered than were asked")
        return tuple(map(_resolutions_from_proto, questions, answer.answers))

    async def refuse(self, keys: Sequence[ValueKey]) -> tuple[tuple[ValueKey, ValueState], ...]:
        """See ports.MetadataClient.refuse."""
        request = vault_peer_pb2.RefuseRequest(values=map(_key_to_proto, askable(keys)))
        answer = await _own(
            call(self._stub.Refuse, request, deadline_seconds=SWEEP_DEADLINE_SECONDS)
        )
        states = tuple(
            (_key_from_proto(refused.value), _STATES[refused.state])
            for refused in answer.values
            # A state of a later version says nothing here.
            if refused.state in _STATES
        )
        check_states(keys, states)
        return states

    async def released(self, *, after: ReleasedPlace | None, limit: int) -> ReleasedPage:
        """See ports.MetadataClient.released."""
        request = vault_peer_pb2.ReleasedRequest(page_size=limit)
        if after is not None:
            request.after.CopyFrom(_key_to_proto(after.key))
        if after is None or after.released_at is not None:
            request.since.CopyFrom(_place_to_proto(after))
        answer = await _own(
            call(self._stub.Released, request, deadline_seconds=SWEEP_DEADLINE_SECONDS)
        )
        following = _place_from_proto(answer.next) if answer.HasField("next") else None
        released = tuple(map(_key_from_proto, answer.values))
        check_page(released, limit)
        return ReleasedPage(released, following)

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        """See ports.MetadataClient.acknowledge."""
        request = vault_peer_pb2.AcknowledgeRequest(values=map(_key_to_proto, askable(keys)))
        await _own(
            call(self._stub.Acknowledge, request, deadline_seconds=SWEEP_DEADLINE_SECONDS)
        )


async def _callers(answer: Awaitable[T]) -> T:
    """The answer to a question in the caller's name.

    Raises what metadata holds against it; DeadlineExceededError only once the caller's own time
    is up, and UnavailableError before that.
    """
    try:
        return await answer
    except UnavailableError as error:
        raise UnavailableError(CANNOT_BE_ASKED) from error
    except DeadlineExceededError as error:
        if remaining_seconds() == 0:
            raise
        raise UnavailableError(CANNOT_BE_ASKED) from error


async def _own(answer: Awaitable[T]) -> T:
    """The answer to a question of the vault's own. Raises UnavailableError for every fault."""
    try:
        return await answer
    except (UnavailableError, DeadlineExceededError) as error:
        raise UnavailableError(CANNOT_BE_ASKED) from error
    except KnownError as error:
        _log.exception("metadata refuses a question of the vault's own")
        raise UnavailableError(CANNOT_BE_ASKED) from error


def _draft_to_proto(draft: Draft) -> secure_value_pb2.SecureValueDraft:
    """Field by field: what the vault does not know, metadata is never sent."""
    message = secure_value_pb2.SecureValueDraft(
        namespace=draft.namespace,
        name=draft.name,
        generate_name=draft.generate_name,
        description=draft.description,
        decrypters=draft.decrypters,
        labels=draft.labels,
        annotations=draft.annotations,
        ref=draft.ref,
        owner_references=map(_owner_to_proto, draft.owner_references),
    )
    if draft.manager:
        message.manager.ParseFromString(draft.manager)
    return message


def _owner_to_proto(owner: OwnerReference) -> secure_value_pb2.OwnerReference:
    return secure_value_pb2.OwnerReference(
        api_version=owner.api_version, kind=owner.kind, name=owner.name
    )


def _idempotency_to_proto(asked: Idempotency | None) -> vault_peer_pb2.Idempotency | None:
    if asked is None:
        return None
    return vault_peer_pb2.Idempotency(
        key=asked.key,
        fingerprint=asked.fingerprint.of_subject,
        issuer_fingerprint=asked.fingerprint.of_principal,
    )


def _preconditions(write: Write) -> secure_value_pb2.Preconditions:
    return secure_value_pb2.Preconditions.FromString(write.preconditions)


def _prepared_to_proto(prepared: PreparedWrite) -> vault_peer_pb2.PreparedWrite:
    return vault_peer_pb2.PreparedWrite(
        operation=_OPERATIONS[prepared.operation],
        name=prepared.name,
        uid=prepared.uid,
        keeper=prepared.keeper,
        value_id=str(prepared.value_id),
    )


def _prepared_from_proto(prepared: vault_peer_pb2.PreparedWrite) -> PreparedWrite:
    if prepared.operation not in _OPERATIONS_BACK:
        contradictory("an operation was prepared that is not known here")
    return PreparedWrite(
        operation=_OPERATIONS_BACK[prepared.operation],
        name=prepared.name,
        uid=prepared.uid,
        keeper=prepared.keeper,
        value_id=_id_from_text(prepared.value_id),
    )


def _resolutions_from_proto(
    question: Question, answer: vault_peer_pb2.Decisions
) -> tuple[Resolution, ...]:
    """One for each name; none if the question was not answered."""
    decisions = list(answer.decisions)
    if not decisions:
        return ()
    allowed = _allowed_from_proto(answer)
    if len(decisions) != len(question.names) or decisions.count(_ALLOWED) != len(allowed):
        contradictory(_OTHER_NAMES)
    located = iter(allowed)
    try:
        return tuple([next(located) if d == _ALLOWED else _REFUSED[d] for d in decisions])
    except KeyError:
        contradictory("a decision was answered that is not known here")


def _allowed_from_proto(answer: vault_peer_pb2.Decisions) -> list[Resolution]:
    ids = answer.value_ids
    starts = range(0, len(ids), ID_BYTES)
    keepers = answer.keepers or repeat(SYSTEM_KEEPER, len(starts))
    try:
        return [
            Resolution(
                Decision.ALLOWED,
                keeper,
                uuid_from_bytes(ids[start : start + ID_BYTES]),
                version,
            )
            for start, version, keeper in zip(starts, answer.versions, keepers, strict=True)
        ]
    except ValueError:
        contradictory(_OTHER_NAMES)


def _key_to_proto(key: ValueKey) -> vault_peer_pb2.ValueKey:
    return vault_peer_pb2.ValueKey(namespace=key.namespace, value_id=str(key.value_id))


def _key_from_proto(key: vault_peer_pb2.ValueKey) -> ValueKey:
    return ValueKey(key.namespace, _id_from_text(key.value_id))


def _place_to_proto(place: ReleasedPlace | None) -> vault_peer_pb2.ReleasedPlace:
    """An empty message is the beginning of the list."""
    message = vault_peer_pb2.ReleasedPlace()
    if place is not None and place.released_at is not None:
        message.released_at.FromDatetime(place.released_at)
        message.value.CopyFrom(_key_to_proto(place.key))
    return message


def _place_from_proto(place: vault_peer_pb2.ReleasedPlace) -> ReleasedPlace:
    try:
        released_at = place.released_at.ToDatetime(UTC)
    except (OverflowError, ValueError):
        contradictory(_NO_TIME)
    if released_at < EARLIEST_RELEASE:
        contradictory(_NO_TIME)
    return ReleasedPlace(released_at, _key_from_proto(place.value))


def _id_from_text(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        contradictory("an id was answered that is none")
