"""The requests that stop at the gateway because of how they were sent over HTTP.

What the services refuse has its own vocabulary (chassis/errors.py); both meet in status.py.
A message names the field and the rule, never what the client sent.
"""

from dataclasses import dataclass
from typing import ClassVar


class HttpError(Exception):
    """A request that no service needs to see."""

    default_message: ClassVar[str] = "the request failed"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.default_message)

    @property
    def message(self) -> str:
        """The text for people; free of values and tokens."""
        return str(self.args[0])


class BadRequestError(HttpError):
    """The request cannot be understood as it stands."""

    default_message = "the request cannot be understood"


class UnknownPathError(HttpError):
    """Nothing is served under this path."""

    default_message = "the server could not find the requested resource"


class MethodNotAllowedError(HttpError):
    """The path exists and does not have this verb."""

    default_message = "the server does not allow this method on the requested resource"

    def __init__(self, message: str = "", *, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class NotAcceptableError(HttpError):
    """The client takes none of the forms the answer can have."""

    default_message = "only the following media types can be answered: application/json"


class RequestTimeoutError(HttpError):
    """The client was too slow to send its body."""

    default_message = "the request body did not arrive in time"


class BodyTooLargeError(HttpError):
    """The body is longer than any request needs to be."""

    default_message = "the request body is too large"


class LostHandshakeError(HttpError):
    """The opening of a WebSocket of which a proxy has removed a part.

    503, which clients of Kubernetes answer with the same watch over plain HTTP.
    """

    default_message = (
        "WebSocket: the request has no Connection: Upgrade or no Upgrade header; a proxy may "
        "have removed it"
    )


class WebSocketVersionError(HttpError):
    """Another version of the protocol than the one that is served (RFC 6455 §4.4)."""

    default_message = "Sec-WebSocket-Version: must be 13"


class UnsupportedMediaTypeError(HttpError):
    """The body is in a form that is not read here."""

    default_message = "the body of the request is in a form that is not read here"

    def __init__(self, message: str = "", *, patches: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.patches = patches
        """The media types of patches that are read, where a patch was sent."""


class UnprocessableError(HttpError):
    """A patch that is understood and cannot be carried out."""


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Who else owns a field that is applied, and which."""

    owner: str
    field: str


class ApplyConflictError(HttpError):
    """What is applied would change fields of other managers."""

    def __init__(self, *, conflicts: tuple[FieldConflict, ...]) -> None:
        super().__init__(_apply_conflict(conflicts))
        self.conflicts = conflicts


def _apply_conflict(conflicts: tuple[FieldConflict, ...]) -> str:
    """As Kubernetes words it, which clients show to people as it is."""
    if len(conflicts) == 1:
        (only,) = conflicts
        return f"Apply failed with 1 conflict: conflict with {only.owner}: {only.field}"
    owners = dict.fromkeys(sorted(conflict.owner for conflict in conflicts))
    parts = [
        "\n- ".join(
            [
                f"conflicts with {owner}:",
                *sorted(conflict.field for conflict in conflicts if conflict.owner == owner),
            ]
        )
        for owner in owners
    ]
    return "\n".join([f"Apply failed with {len(conflicts)} conflicts: {parts[0]}", *parts[1:]])


class HeadTooLargeError(HttpError):
    """Request line and header fields together are longer than any request needs."""

    default_message = "the request line and header fields are too large"


class ClientGoneError(Exception):
    """The client closed the connection; there is nobody to answer."""


class ResourceVersionTooLargeError(HttpError):
    """What is to be read at a version that nothing has happened under yet."""

    default_message = "Too large resource version"


class NotReadyError(HttpError):
    """A part that requests need cannot be reached; the message names it."""
