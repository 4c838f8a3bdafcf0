"""The in-memory metadata behind metadata's real gRPC service."""
# ruff: noqa: N802  # method names are the proto's

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from chassis.identity import credential
from protos.splitkeep.metadata.v1 import secure_value_pb2, vault_peer_pb2
from protos.splitkeep.metadata.v1.vault_peer_pb2_grpc import VaultPeerServicer
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from vault_svc.domain.fingerprint import Fingerprint
from vault_svc.grpc_api.drafts import draft_from_proto
from vault_svc.metadata_client import (
    _OPERATIONS_BACK,
    _STATES,
    _key_from_proto,
    _key_to_proto,
    _place_from_proto,
    _place_to_proto,
    _prepared_from_proto,
    _prepared_to_proto,
)
from vault_svc.ports.metadata import (
    SYSTEM_KEEPER,
    AlreadyWritten,
    Decision,
    Idempotency,
    Preconditions,
    Question,
    ReleasedPlace,
    Resolution,
    Write,
)

DECISIONS = {
    decision: vault_peer_pb2.Decision.Value(f"DECISION_{decision.name}")
    for decision in Decision
}
STATES = {state: number for number, state in _STATES.items()}

AnswerT = TypeVar("AnswerT")


class InMemoryPeer(VaultPeerServicer):
    """What metadata_svc serves to the vault; can be told to fail, or to twist its answer."""

    def __init__(self, known: InMemoryMetadata) -> None:
        self.known = known
        self.failure: Exception | None = None
        self.twisted: vault_peer_pb2.ResolveResponse | None = None
        # Changes an answer to any other question before it leaves.
        self.twist: Callable[[Any], object] = lambda answer: answer
        self.requests: list[Any] = []
        # The next Resolve is decided, and its answer held up until it is let go.
        self.hold_next = False
        self.held, self.let_go = asyncio.Event(), asyncio.Event()

    async def Prepare(self, request: Any, context: Any) -> vault_peer_pb2.PrepareResponse:
        self._heard(request)
        operation = _OPERATIONS_BACK[request.operation]
        preparation = await self.known.prepare(_write(request, context, operation))
        if isinstance(preparation, AlreadyWritten):
            recorded = secure_value_pb2.SecureValue.FromString(preparation.secure_value)
            return self._twisted(vault_peer_pb2.PrepareResponse(recorded=recorded))
        answer = vault_peer_pb2.PrepareResponse(
            prepared=_prepared_to_proto(preparation.prepared)
        )
        if preparation.preview is not None:
            answer.preview.ParseFromString(preparation.preview)
        return self._twisted(answer)

    async def Claim(self, request: Any, context: Any) -> vault_peer_pb2.ClaimResponse:
        self._heard(request)
        prepared = _prepared_from_proto(request.prepared)
        made = await self.known.claim(_write(request, context, prepared.operation), prepared)
        return self._twisted(
            vault_peer_pb2.ClaimResponse(
                secure_value=secure_value_pb2.SecureValue.FromString(made)
            )
        )

    async def Resolve(
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[vault_peer_pb2.ResolveResponse]:
        async for request in request_iterator:
            yield await self._resolved(request)

    async def _resolved(self, request: Any) -> vault_peer_pb2.ResolveResponse:
        self._heard(request)
        if self.twisted is not None:
            return self.twisted
        held, self.hold_next = self.hold_next, False
        asked = [
            Question(one.namespace, one.names, one.service_identity)
            for one in request.questions
        ]
        answer = vault_peer_pb2.ResolveResponse(
            answers=map(_decisions_to_proto, await self.known.resolve(asked))
        )
        if held:
            self.held.set()
            await self.let_go.wait()
        return answer

    async def Refuse(self, request: Any, context: Any) -> vault_peer_pb2.RefuseResponse:
        self._heard(request)
        answers = await self.known.refuse([_key_from_proto(key) for key in request.values])
        values = [
            vault_peer_pb2.RefusedValue(value=_key_to_proto(key), state=STATES[state])
            for key, state in answers
        ]
        return self._twisted(vault_peer_pb2.RefuseResponse(values=values))

    async def Released(self, request: Any, context: Any) -> vault_peer_pb2.ReleasedResponse:
        self._heard(request)
        keys, following = await self.known.released(
            after=_place_of(request), limit=request.page_size
        )
        return self._twisted(
            vault_peer_pb2.ReleasedResponse(
                values=map(_key_to_proto, keys),
                next=_place_to_proto(following) if following else None,
            )
        )

    async def Acknowledge(
        self, request: Any, context: Any
    ) -> vault_peer_pb2.AcknowledgeResponse:
        self._heard(request)
        await self.known.acknowledge([_key_from_proto(key) for key in request.values])
        return vault_peer_pb2.AcknowledgeResponse()

    def _twisted(self, answer: AnswerT) -> AnswerT:
        self.twist(answer)
        return answer

    def _heard(self, request: Any) -> None:
        self.requests.append(request)
        if self.failure:
            raise self.failure


def _place_of(request: Any) -> ReleasedPlace | None:
    if request.since.HasField("released_at"):
        return _place_from_proto(request.since)
    if request.HasField("after"):
        return ReleasedPlace(None, _key_from_proto(request.after))
    return None


def _decisions_to_proto(resolutions: tuple[Resolution, ...]) -> vault_peer_pb2.Decisions:
    allowed = [one for one in resolutions if one.value_id is not None]
    keepers = [one.keeper for one in allowed]
    return vault_peer_pb2.Decisions(
        decisions=[DECISIONS[one.decision] for one in resolutions],
        value_ids=b"".join(one.value_id.bytes for one in allowed if one.value_id),
        versions=[one.version for one in allowed],
        keepers=keepers if set(keepers) - {SYSTEM_KEEPER} else (),
    )


def _write(request: Any, context: Any, operation: Any) -> Write:
    return Write(
        operation=operation,
        draft=draft_from_proto(request.draft),
        preconditions=Preconditions(request.preconditions.SerializeToString()),
        dry_run=getattr(request, "dry_run", False),
        token=credential(context.invocation_metadata()),
        idempotency=(
            Idempotency(
                request.idempotency.key,
                Fingerprint(
                    request.idempotency.fingerprint, request.idempotency.issuer_fingerprint
                ),
            )
            if request.HasField("idempotency")
            else None
        ),
    )
