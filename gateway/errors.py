"""The requests that stop at the gateway because of how they were sent over HTTP.

What the services refuse has its own vocabulary (chassis/errors.py); both meet in status.py.
A message names the field and the rule, never what the client sent.
"""

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


class UnsupportedMediaTypeError(HttpError):
    """The body is in a form that is not read here."""

    default_message = "the body of the request is in a form that is not read here"

    def __init__(self, message: str = "", *, patches: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.patches = patches
        """The media types of patches that are read, where a patch was sent."""


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
