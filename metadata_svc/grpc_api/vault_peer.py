"""`splitkeep.metadata.v1.VaultPeer`: for the vault's certificate alone.

Prepare and Claim need the caller's token besides; the others carry none and never will.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from chassis import deadline
from chassis.caller import Caller
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ValueState
from metadata_svc.grpc_api.disclosure import secure_value_for
from metadata_svc.grpc_api.messages import (
    age_from_proto,
    draft_from_proto,
    idempotency_from_proto,
    operation_from_proto,
    preconditions_from_proto,
    prepared_from_proto,
    prepared_to_proto,
    released_place_from_proto,
    released_place_to_proto,
    secure_value_to_proto,
    value_key_from_proto,
    value_key_to_proto,
)
from metadata_svc.grpc_api.resolutions import answers_to_proto, question_from_proto
from metadata_svc.use_cases.claim import ClaimRequest, ClaimWrite
from metadata_svc.use_cases.prepare import PrepareRequest, PrepareWrite, WrittenBefore
from metadata_svc.use_cases.resolve import ResolveNames
from metadata_svc.use_cases.values import ValueFates
from protos.splitkeep.metadata.v1 import (
    secure_value_pb2,
    vault_peer_pb2,
    vault_peer_pb2_grpc,
)

SERVICE = vault_peer_pb2.DESCRIPTOR.services_by_name["VaultPeer"].full_name
OPEN_ENDED = frozenset({"Resolve"})
WITHOUT_TOKEN = frozenset({"Resolve", "Refuse", "Released", "Acknowledge"})
RESOLVE_SECONDS = 5.0  # the vault gives up sooner

_STATES = {
    ValueState.CLAIMED: vault_peer_pb2.VALUE_STATE_CLAIMED,
    ValueState.RELEASED: vault_peer_pb2.VALUE_STATE_RELEASED,
    ValueState.REFUSED: vault_peer_pb2.VALUE_STATE_REFUSED,
    ValueState.ERASED: vault_peer_pb2.VALUE_STATE_ERASED,
}


@dataclass(frozen=True, kw_only=True)
class VaultPeerServicer(vault_peer_pb2_grpc.VaultPeerServicer):
    """What the vault asks; the peer's certificate was checked before."""

    prepare: PrepareWrite
    claim: ClaimWrite
    names: ResolveNames
    values: ValueFates

    async def Prepare(
        self, request: vault_peer_pb2.PrepareRequest, context: Any
    ) -> vault_peer_pb2.PrepareResponse:
        caller = context.caller
        # A dry run neither repeats nor is repeated.
        real = request.HasField("idempotency") and not request.dry_run
        prepared = await self.prepare.prepare(
            caller,
            PrepareRequest(
                operation=operation_from_proto(request.operation),
                draft=draft_from_proto(request.draft),
                preconditions=preconditions_from_proto(request.preconditions),
                idempotency=idempotency_from_proto(request.idempotency) if real else None,
            ),
        )
        if isinstance(prepared, WrittenBefore):
            recorded = secure_value_to_proto(prepared.secure_value)
            return vault_peer_pb2.PrepareResponse(recorded=recorded)
        operation, preview = prepared.write.operation, prepared.preview
        return vault_peer_pb2.PrepareResponse(
            prepared=prepared_to_proto(prepared.write),
            preview=_written(caller, operation, preview) if request.dry_run else None,
        )

    async def Claim(
        self, request: vault_peer_pb2.ClaimRequest, context: Any
    ) -> vault_peer_pb2.ClaimResponse:
        caller = context.caller
        named = request.HasField("idempotency")
        write = prepared_from_proto(request.prepared)
        after = await self.claim.claim(
            caller,
            ClaimRequest(
                write=write,
                draft=draft_from_proto(request.draft),
                preconditions=preconditions_from_proto(request.preconditions),
                idempotency=idempotency_from_proto(request.idempotency) if named else None,
            ),
        )
        return vault_peer_pb2.ClaimResponse(
            secure_value=_written(caller, write.operation, after)
        )

    async def Resolve(
        self, request_iterator: AsyncIterator[vault_peer_pb2.ResolveRequest], context: Any
    ) -> AsyncIterator[vault_peer_pb2.ResolveResponse]:
        async for request in request_iterator:
            questions = [question_from_proto(question) for question in request.questions]
            with deadline.bound(RESOLVE_SECONDS):
                decided = await self.names.resolve(questions)
            yield answers_to_proto(decided)

    async def Refuse(
        self, request: vault_peer_pb2.RefuseRequest, context: Any
    ) -> vault_peer_pb2.RefuseResponse:
        states = await self.values.refuse([value_key_from_proto(key) for key in request.values])
        return vault_peer_pb2.RefuseResponse(
            values=(
                vault_peer_pb2.RefusedValue(value=value_key_to_proto(key), state=_STATES[state])
                for key, state in states
            )
        )

    async def Released(
        self, request: vault_peer_pb2.ReleasedRequest, context: Any
    ) -> vault_peer_pb2.ReleasedResponse:
        if request.HasField("since"):
            return await self._released_since(request)
        keys = await self.values.released(
            minimum_age=age_from_proto(request.minimum_age),
            after=value_key_from_proto(request.after) if request.HasField("after") else None,
            page_size=request.page_size,
        )
        return vault_peer_pb2.ReleasedResponse(values=map(value_key_to_proto, keys))

    async def _released_since(
        self, request: vault_peer_pb2.ReleasedRequest
    ) -> vault_peer_pb2.ReleasedResponse:
        page = await self.values.released_since(
            place=released_place_from_proto(request.since), page_size=request.page_size
        )
        return vault_peer_pb2.ReleasedResponse(
            values=[value_key_to_proto(place.key) for place in page],
            next=released_place_to_proto(page[-1]) if page else None,
        )

    async def Acknowledge(
        self, request: vault_peer_pb2.AcknowledgeRequest, context: Any
    ) -> vault_peer_pb2.AcknowledgeResponse:
        await self.values.acknowledge([value_key_from_proto(key) for key in request.values])
        return vault_peer_pb2.AcknowledgeResponse()


def _written(
    caller: Caller, operation: Operation, secure_value: SecureValue
) -> secure_value_pb2.SecureValue:
    """Who creates has said all that there is."""
    if operation is Operation.CREATE:
        return secure_value_to_proto(secure_value)
    return secure_value_for(caller, secure_value)
