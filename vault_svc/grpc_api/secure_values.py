"""Create and update with a value. What metadata makes of the rest passes through unread."""

from typing import Any

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from protos.splitkeep.vault.v1 import secure_values_pb2
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesServicer
from vault_svc.grpc_api.callers import Callers
from vault_svc.ports.metadata import Draft, Operation, Preconditions, Write
from vault_svc.use_cases.writes import Writes


class SecureValues(SecureValuesServicer):
    """The writes that carry a value."""

    def __init__(self, callers: Callers, writes: Writes) -> None:
        self._callers = callers
        self._writes = writes

    async def CreateSecureValue(
        self, request: secure_values_pb2.CreateSecureValueRequest, context: Any
    ) -> secure_values_pb2.CreateSecureValueResponse:
        made = await self._write(Operation.CREATE, request, context)
        return secure_values_pb2.CreateSecureValueResponse(secure_value=made)

    async def UpdateSecureValue(
        self, request: secure_values_pb2.UpdateSecureValueRequest, context: Any
    ) -> secure_values_pb2.UpdateSecureValueResponse:
        made = await self._write(Operation.UPDATE, request, context)
        return secure_values_pb2.UpdateSecureValueResponse(secure_value=made)

    async def _write(
        self,
        operation: Operation,
        request: secure_values_pb2.CreateSecureValueRequest
        | secure_values_pb2.UpdateSecureValueRequest,
        context: Any,
    ) -> secure_value_pb2.SecureValue:
        token = await self._callers.verified_token(context)
        write = _write_from_proto(operation, request, token)
        made = await self._writes.write(write, Sensitive(request.value))
        return secure_value_pb2.SecureValue.FromString(made)


def _write_from_proto(
    operation: Operation,
    request: secure_values_pb2.CreateSecureValueRequest
    | secure_values_pb2.UpdateSecureValueRequest,
    token: Sensitive[str],
) -> Write:
    draft = request.draft
    if not draft.namespace:
        violation = FieldViolation("metadata.namespace", Rule.REQUIRED, "must not be empty")
        raise InvalidArgumentError(violations=(violation,))
    # Fields that neither of us knows might carry what metadata must never be sent.
    draft.DiscardUnknownFields()  # type: ignore[attr-defined]  # the type stubs lack it
    return Write(
        operation=operation,
        namespace=draft.namespace,
        generates_name=operation is Operation.CREATE and not draft.name,
        draft=Draft(draft.SerializeToString()),
        preconditions=_preconditions(request),
        dry_run=request.dry_run,
        token=token,
    )


def _preconditions(
    request: secure_values_pb2.CreateSecureValueRequest
    | secure_values_pb2.UpdateSecureValueRequest,
) -> Preconditions:
    if isinstance(request, secure_values_pb2.CreateSecureValueRequest):
        return Preconditions(b"")
    request.preconditions.DiscardUnknownFields()  # type: ignore[attr-defined]  # as above
    return Preconditions(request.preconditions.SerializeToString())
