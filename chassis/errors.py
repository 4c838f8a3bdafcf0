"""The errors a caller may act on, and nothing else.

- Each class is one thing that a caller can do something about. What is not in this vocabulary
  is a bug and crosses every boundary as INTERNAL, without its text.
- Class and violations survive gRPC and HTTP unchanged; the cause (`raise … from`) does not.
- A message names the field and the rule. It never quotes what the caller sent.
- Three tables use it: Postgres to error (chassis/postgres.py), error to and from gRPC status
  (chassis/grpc_status.py), error to HTTP `Status` (gateway/status.py).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Rule(StrEnum):
    """Which kind of rule a field breaks."""

    REQUIRED = "REQUIRED"
    INVALID = "INVALID"
    FORBIDDEN = "FORBIDDEN"
    TOO_LONG = "TOO_LONG"
    TOO_MANY = "TOO_MANY"
    DUPLICATE = "DUPLICATE"
    NOT_FOUND = "NOT_FOUND"
    TYPE_INVALID = "TYPE_INVALID"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field, the kind of rule it breaks, the rule in words; never the offending value."""

    field: str
    rule: Rule
    message: str


class KnownError(Exception):
    """Something a caller may act on."""

    default_message: ClassVar[str] = "the request failed"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.default_message)

    @property
    def message(self) -> str:
        """The text for people; free of values, tokens and keys."""
        return str(self.args[0])


class InvalidArgumentError(KnownError):
    """The request breaks a rule; every violation found is listed."""

    default_message = "the request is invalid"

    def __init__(
        self, message: str = "", *, violations: tuple[FieldViolation, ...] = ()
    ) -> None:
        super().__init__(message or "; ".join(f"{v.field}: {v.message}" for v in violations))
        self.violations = violations


class UnauthenticatedError(KnownError):
    """There is no acceptable credential."""

    default_message = "a valid access token is required"


class PermissionDeniedError(KnownError):
    """The caller may not do this, whether or not the thing exists."""

    default_message = "permission denied"


class NotFoundError(KnownError):
    """There is no such thing, and the caller may know that."""

    default_message = "not found"


class AlreadyExistsError(KnownError):
    """The name is taken."""

    default_message = "already exists"


class ConflictError(KnownError):
    """The thing changed since the caller looked: read again, then retry."""

    default_message = (
        "the object has been modified; please apply your changes to the latest version"
    )


class FailedPreconditionError(KnownError):
    """The state of something else forbids it; retrying alone does not help."""

    default_message = "the operation is not possible in the present state"


class ExpiredError(KnownError):
    """What the caller continues from is no longer kept: start again from the present."""

    default_message = "what this continues from is no longer kept; please start again"


class ResourceExhaustedError(KnownError):
    """Too much at once: retry later."""

    default_message = "too many requests"


class UnavailableError(KnownError):
    """A part is down; the same request may succeed later."""

    default_message = "the service is temporarily unavailable"


class DeadlineExceededError(KnownError):
    """The time the caller allowed has passed; whether the request took effect is unknown."""

    default_message = "the deadline has passed"
