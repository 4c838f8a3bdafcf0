"""What went wrong, as HTTP says it: error to status code and Kubernetes `Status` object.

- One table for both vocabularies: what the services refuse (chassis/errors.py) and what stops
  at the gateway (gateway/errors.py). What is in neither is a bug: 500, no text, a request id.
- The body is always a `v1` `Status`; some clients accept nothing else.
- Names are quoted when they came with the request and could be names; values never are.
"""

from dataclasses import dataclass, field, replace

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
from gateway.bodies.request_json import JsonObject
from gateway.errors import (
    ApplyConflictError,
    BadRequestError,
    BodyTooLargeError,
    FieldConflict,
    HeadTooLargeError,
    HttpError,
    LostHandshakeError,
    MethodNotAllowedError,
    NotAcceptableError,
    NotReadyError,
    RequestTimeoutError,
    ResourceVersionTooLargeError,
    UnknownPathError,
    UnprocessableError,
    UnsupportedMediaTypeError,
    WebSocketVersionError,
)
from gateway.kinds import Target

RETRY_AFTER_SECONDS = 1
LONGEST_QUOTED_NAME = 253
"""No longer text can be a name (RFC 1123, as Kubernetes bounds it), so none is repeated."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A status code and the Kubernetes reason that goes with it."""

    code: int
    name: str


INTERNAL = Reason(500, "InternalError")
REASONS: dict[type[Exception], Reason] = {
    InvalidArgumentError: Reason(422, "Invalid"),
    UnauthenticatedError: Reason(401, "Unauthorized"),
    PermissionDeniedError: Reason(403, "Forbidden"),
    NotFoundError: Reason(404, "NotFound"),
    AlreadyExistsError: Reason(409, "AlreadyExists"),
    ConflictError: Reason(409, "Conflict"),
    FailedPreconditionError: Reason(409, "Conflict"),
    ExpiredError: Reason(410, "Expired"),
    ResourceExhaustedError: Reason(429, "TooManyRequests"),
    UnavailableError: Reason(503, "ServiceUnavailable"),
    DeadlineExceededError: Reason(504, "Timeout"),
    BadRequestError: Reason(400, "BadRequest"),
    UnknownPathError: Reason(404, "NotFound"),
    MethodNotAllowedError: Reason(405, "MethodNotAllowed"),
    NotAcceptableError: Reason(406, "NotAcceptable"),
    RequestTimeoutError: Reason(408, "Timeout"),
    BodyTooLargeError: Reason(413, "RequestEntityTooLarge"),
    UnsupportedMediaTypeError: Reason(415, "UnsupportedMediaType"),
    ApplyConflictError: Reason(409, "Conflict"),
    UnprocessableError: Reason(422, "Invalid"),
    LostHandshakeError: Reason(503, "ServiceUnavailable"),
    WebSocketVersionError: Reason(426, "UpgradeRequired"),
    HeadTooLargeError: Reason(431, "RequestHeaderFieldsTooLarge"),
    NotReadyError: Reason(503, "ServiceUnavailable"),
    ResourceVersionTooLargeError: Reason(504, "Timeout"),
}

RETRIED = (
    ResourceExhaustedError,
    UnavailableError,
    NotReadyError,
    ResourceVersionTooLargeError,
)
"""The same request may succeed later."""

_LATER = {"retry-after": str(RETRY_AFTER_SECONDS)}
FIXED_HEADERS: dict[type[Exception], dict[str, str]] = {
    UnauthenticatedError: {"www-authenticate": "Bearer"},
    WebSocketVersionError: {"sec-websocket-version": "13"},
    ResourceExhaustedError: _LATER,
    UnavailableError: _LATER,
    NotReadyError: _LATER,
}
"""What an answer has beside its body, where that is the same each time."""

PEER_FAULTS = (ResourceExhaustedError, UnavailableError, DeadlineExceededError)
"""Their texts may be the transport's own, with addresses in them, and are not shown."""

CAUSES: dict[Rule, tuple[str, str]] = {
    Rule.REQUIRED: ("FieldValueRequired", "Required value"),
    Rule.INVALID: ("FieldValueInvalid", "Invalid value"),
    Rule.FORBIDDEN: ("FieldValueForbidden", "Forbidden"),
    Rule.TOO_LONG: ("FieldValueTooLong", "Too long"),
    Rule.TOO_MANY: ("FieldValueTooMany", "Too many"),
    Rule.DUPLICATE: ("FieldValueDuplicate", "Duplicate value"),
    Rule.NOT_FOUND: ("FieldValueNotFound", "Not found"),
    Rule.TYPE_INVALID: ("FieldValueTypeInvalid", "Invalid value"),
}
"""Kubernetes' cause reason, and the words its messages begin with."""

FORBIDDEN_NAME = ("metadata.name", Rule.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that says no."""

    reason: Reason
    body: JsonObject
    headers: dict[str, str] = field(default_factory=dict)


def failure_of(error: Exception, *, target: Target | None, request_id: str) -> Failure:
    """The answer to a request about `target` that ended in `error`."""
    reason = _reason_of(error)
    if reason is INTERNAL:
        text = f"an internal error occurred; the request id is {request_id}"
        return Failure(reason, _status(reason, text, {}))
    target = _as_shown(target, error)
    details = _details(error, target)
    return Failure(reason, _status(reason, _message(error, target), details), _headers(error))


def success(target: Target, *, uid: str = "") -> JsonObject:
    """The `Status` that answers where there is no object to answer with."""
    named = {"name": target.name, "uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 200,
        "details": {key: text for key, text in named.items() if text}
        | {"group": target.kind.group, "kind": target.kind.plural},
    }


def _as_shown(target: Target | None, error: Exception) -> Target | None:
    """Without a name that is refused for what stands in it: it may repeat a value."""
    violations = error.violations if isinstance(error, InvalidArgumentError) else ()
    if target and any((v.field, v.rule) == FORBIDDEN_NAME for v in violations):
        return replace(target, name="")
    return target


def _reason_of(error: Exception) -> Reason:
    if isinstance(error, InvalidArgumentError) and not error.violations:
        return REASONS[BadRequestError]
    return REASONS.get(type(error), INTERNAL)


def _status(reason: Reason, message: str, details: JsonObject) -> JsonObject:
    body: JsonObject = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason.name,
        "code": reason.code,
    }
    return body | ({"details": details} if details else {})


def _message(error: Exception, target: Target | None) -> str:
    text = ""
    if isinstance(error, PEER_FAULTS):
        text = error.default_message
    elif isinstance(error, KnownError | HttpError):
        text = error.message
    if target is None:
        return text
    return _message_about(error, text, target)


def _message_about(error: Exception, text: str, target: Target) -> str:
    kind, name = target.kind, _quoted(target.name)
    resource = f"{kind.plural}.{kind.group}{name}"
    match error:
        case InvalidArgumentError(violations=violations) if violations:
            text = f"{kind.name}.{kind.group}{name} is invalid: {_together(violations)}"
        case PermissionDeniedError():
            text = f"{resource} is forbidden: {text}"
        case NotFoundError() if name:
            text = f"{kind.singular}.{kind.group}{name} not found"
        case AlreadyExistsError() if name:
            text = f"{kind.words} already exists: {resource} already exists"
        case ConflictError() | FailedPreconditionError():
            text = f"Operation cannot be fulfilled on {resource}: {text}"
    return text


def _together(violations: tuple[FieldViolation, ...]) -> str:
    texts = [f"{violation.field}: {_cause_text(violation)}" for violation in violations]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _cause_text(violation: FieldViolation) -> str:
    return f"{CAUSES[violation.rule][1]}: {violation.message}"


def _quoted(name: str) -> str:
    """The name as a message shows it, with the space before it; nothing for what is none."""
    return f' "{name}"' if _can_be_shown(name) else ""


def _can_be_shown(name: str) -> bool:
    return 0 < len(name) <= LONGEST_QUOTED_NAME and name.isprintable()


def _details(error: Exception, target: Target | None) -> JsonObject:
    details: JsonObject = {}
    if target is not None:
        invalid = isinstance(error, InvalidArgumentError)
        name = {"name": target.name} if _can_be_shown(target.name) else {}
        details |= name | {
            "group": target.kind.group,
            "kind": target.kind.name if invalid else target.kind.plural,
        }
    if isinstance(error, InvalidArgumentError) and error.violations:
        details["causes"] = [_cause(violation) for violation in error.violations]
    if isinstance(error, ResourceVersionTooLargeError):
        details["causes"] = [{"reason": "ResourceVersionTooLarge", "message": error.message}]
    if isinstance(error, ApplyConflictError):
        details["causes"] = [_conflict_cause(conflict) for conflict in error.conflicts]
    if isinstance(error, RETRIED):
        details["retryAfterSeconds"] = RETRY_AFTER_SECONDS
    return details


def _conflict_cause(conflict: FieldConflict) -> JsonObject:
    return {
        "reason": "FieldManagerConflict",
        "message": f"conflict with {conflict.owner}",
        "field": conflict.field,
    }


def _cause(violation: FieldViolation) -> JsonObject:
    return {
        "reason": CAUSES[violation.rule][0],
        "message": _cause_text(violation),
        "field": violation.field,
    }


def _headers(error: Exception) -> dict[str, str]:
    match error:
        case MethodNotAllowedError(allowed=allowed):
            return {"allow": ", ".join(allowed)}
        case UnsupportedMediaTypeError(patches=patches) if patches:
            return {"accept-patch": ", ".join(patches)}
    return FIXED_HEADERS.get(type(error), {})
