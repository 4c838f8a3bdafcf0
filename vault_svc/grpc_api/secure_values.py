"""Create and update with a value. What metadata answers passes through unread."""

from typing import Any

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from protos.splitkeep.vault.v1 import secure_values_pb2
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesServicer
from vault_svc.domain.draft import Draft, Operation
from vault_svc.domain.fingerprint import IdempotencyKey
from vault_svc.grpc_api.callers import writer
from vault_svc.grpc_api.drafts import draft_from_proto
from vault_svc.ports.metadata import Preconditions, SecureValue, Write
from vault_svc.use_cases.writes import Writes


class SecureValues(SecureValuesServicer):
    """The writes that carry a value."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def CreateSecureValue(
        self, request: secure_values_pb2.CreateSecureValueRequest, context: Any
    ) -> secure_values_pb2.CreateSecureValueResponse:
        caller = writer(context)
        write = Write(
            operation=Operation.CREATE,
            draft=_draft(request),
            preconditions=Preconditions(b""),
            dry_run=request.dry_run,
            token=caller.token,
        )
        key = request.idempotency_key
        asked_as = IdempotencyKey(caller.principal, key) if key else None
        made = await self._writes.write(write, Sensitive(request.value), asked_as)
        return secure_values_pb2.CreateSecureValueResponse(secure_value=_parsed(made))

    async def UpdateSecureValue(
        self, request: secure_values_pb2.UpdateSecureValueRequest, context: Any
    ) -> secure_values_pb2.UpdateSecureValueResponse:
        caller = writer(context)
        write = Write(
            operation=Operation.UPDATE,
            draft=_draft(request),
            preconditions=_preconditions(request),
            dry_run=request.dry_run,
            token=caller.token,
        )
        made = await self._writes.write(write, Sensitive(request.value))
        return secure_values_pb2.UpdateSecureValueResponse(secure_value=_parsed(made))


def _draft(
    request: secure_values_pb2.CreateSecureValueRequest
    | secure_values_pb2.UpdateSecureValueRequest,
) -> Draft:
    if not request.draft.namespace:
        violation = FieldViolation("metadata.namespace", Rule.REQUIRED, "must not be empty")
        raise InvalidArgumentError(violations=(violation,))
    return draft_from_proto(request.draft)


def _preconditions(request: secure_values_pb2.UpdateSecureValueRequest) -> Preconditions:
    # Fields that neither of us knows might carry what metadata must never be sent.
    request.preconditions.DiscardUnknownFields()  # type: ignore[attr-defined]  # the type stubs lack it
    return Preconditions(request.preconditions.SerializeToString())


def _parsed(secure_value: SecureValue) -> secure_value_pb2.SecureValue:
    return secure_value_pb2.SecureValue.FromString(secure_value)
