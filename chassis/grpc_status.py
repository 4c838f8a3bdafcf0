"""Error to gRPC status and back: one table, no loss.

- Class and violations come back equal. A subclass travels as its nearest class in the table.
- What is not in the table travels as INTERNAL, without its text, and comes back as
  InternalError.
- Statuses of servers that are not ours come back as the nearest class, by their code.
Sources: google.rpc.Status, ErrorInfo and BadRequest (google/rpc/error_details.proto), AIP-193.
"""

from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    ExpiredError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    Rule,
    UnauthenticatedError,
    UnavailableError,
)

DETAILS_KEY = "grpc-status-details-bin"
ERROR_DOMAIN = "splitkeep.dev"
"""Whose reasons they are (AIP-193): every service of the product has the same ones.

A release that wrote another domain told the class by the same code, so each understands the
other.
"""
MAX_MESSAGE_CHARACTERS = 1_024
# The receiver bounds trailing metadata; our channels allow 64 KiB (chassis/grpc_client.py).
MAX_DETAILS_BYTES = 32_768


class InternalError(Exception):
    """The peer failed in a way that its caller can do nothing about."""


@dataclass(frozen=True, slots=True)
class _Row:
    kind: type[KnownError]
    code: grpc.StatusCode

    @property
    def reason(self) -> str:
        """The class's name as an ErrorInfo reason: UPPER_SNAKE_CASE without `Error`."""
        name = self.kind.__name__.removesuffix("Error")
        return "".join(f"_{c}" if c.isupper() else c.upper() for c in name).strip("_")


ROWS = (
    _Row(InvalidArgumentError, grpc.StatusCode.INVALID_ARGUMENT),
    _Row(UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    _Row(PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    _Row(NotFoundError, grpc.StatusCode.NOT_FOUND),
    _Row(AlreadyExistsError, grpc.StatusCode.ALREADY_EXISTS),
    _Row(ConflictError, grpc.StatusCode.ABORTED),
    _Row(FailedPreconditionError, grpc.StatusCode.FAILED_PRECONDITION),
    _Row(ExpiredError, grpc.StatusCode.OUT_OF_RANGE),
    _Row(ResourceExhaustedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    _Row(UnavailableError, grpc.StatusCode.UNAVAILABLE),
    _Row(DeadlineExceededError, grpc.StatusCode.DEADLINE_EXCEEDED),
)
_BY_KIND = {row.kind: row for row in ROWS}
_BY_REASON = {row.reason: row for row in ROWS}
_BY_CODE = {row.code.value[0]: row.kind for row in ROWS} | {
    grpc.StatusCode.CANCELLED.value[0]: UnavailableError,
}


def status_code(error: KnownError) -> grpc.StatusCode:
    """The gRPC code of the error's nearest class in the table."""
    return _row(error).code


def to_status(error: KnownError) -> status_pb2.Status:
    """The error as a status with details, bounded in size."""
    row = _row(error)
    status = status_pb2.Status(
        code=row.code.value[0], message=error.message[:MAX_MESSAGE_CHARACTERS]
    )
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=row.reason, domain=ERROR_DOMAIN)
    )
    if isinstance(error, InvalidArgumentError) and error.violations:
        status.details.add().Pack(_bad_request(error.violations))
    return status


def from_status(status: status_pb2.Status) -> KnownError | InternalError:
    """The error that the status tells of."""
    info, violations = _details(status)
    row = _BY_REASON.get(info.reason) if info.domain == ERROR_DOMAIN else None
    kind = row.kind if row else _BY_CODE.get(status.code)
    if kind is None:
        return InternalError()
    if not issubclass(kind, InvalidArgumentError):
        return kind(status.message)
    whole = kind(violations=violations)
    cut = bool(violations) and whole.message[:MAX_MESSAGE_CHARACTERS] == status.message
    return whole if cut else kind(status.message, violations=violations)


def from_rpc_error(error: "grpc.aio.AioRpcError | grpc.Call") -> KnownError | InternalError:
    """The error that a failed call tells of; details that do not parse are passed over."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                status.Clear()
    code = error.code().value[0]
    if status.code != code:
        status = status_pb2.Status(code=code, message=error.details() or "")
    return from_status(status)


def _row(error: KnownError) -> _Row:
    for kind in type(error).__mro__:
        if kind in _BY_KIND:
            return _BY_KIND[kind]
    raise TypeError(f"{type(error).__name__} has no row in the status table")


def _bad_request(violations: tuple[FieldViolation, ...]) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    for violation in violations:
        request.field_violations.add(
            field=violation.field, reason=violation.rule.value, description=violation.message
        )
        if request.ByteSize() > MAX_DETAILS_BYTES:
            del request.field_violations[-1]
            break
    return request


def _details(
    status: status_pb2.Status,
) -> tuple[error_details_pb2.ErrorInfo, tuple[FieldViolation, ...]]:
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, bad_request):
            try:
                detail.Unpack(message)
            except DecodeError:
                message.Clear()
    return info, tuple(
        FieldViolation(violation.field, _rule(violation.reason), violation.description)
        for violation in bad_request.field_violations
    )


def _rule(reason: str) -> Rule:
    return Rule(reason) if reason in Rule.__members__ else Rule.INVALID
