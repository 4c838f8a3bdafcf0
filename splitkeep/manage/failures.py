"""How a command fails: exit codes, and errors that are sentences for whoever typed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from typing import Any


class ExitCode(IntEnum):
    """What a script learns. `splitkeep secret --help` lists them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    DENIED = 5
    UNAVAILABLE = 6


class CommandError(Exception):
    """The command failed; the text holds no value and no token."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Cause:
    """One field, and the rule that it breaks."""

    field: str
    message: str


class RefusedError(CommandError):
    """The server refused the request and said why."""

    def __init__(self, message: str, code: ExitCode, causes: Sequence[Cause] = ()) -> None:
        super().__init__(message, code)
        self.causes = tuple(causes)


_CODES: Mapping[int, ExitCode] = {
    HTTPStatus.UNAUTHORIZED: ExitCode.DENIED,
    HTTPStatus.FORBIDDEN: ExitCode.DENIED,
    HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
    HTTPStatus.CONFLICT: ExitCode.CONFLICT,
    HTTPStatus.GONE: ExitCode.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS: ExitCode.UNAVAILABLE,
    HTTPStatus.BAD_GATEWAY: ExitCode.UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: ExitCode.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: ExitCode.UNAVAILABLE,
}


def refusal(http_status: int, status: Mapping[str, Any]) -> RefusedError:
    """The error for an answer that is a Kubernetes `Status`, or nothing that can be read."""
    code = _CODES.get(http_status, ExitCode.FAILED)  # proxies have numbers of their own
    message = status.get("message") or f"the server answered {http_status}"
    return RefusedError(str(message), code, _causes(status.get("details")))


def _causes(details: Any) -> list[Cause]:
    """Those of a `Status`; what stands between may have sent anything."""
    causes = details.get("causes") if isinstance(details, dict) else None
    return [
        Cause(str(cause.get("field", "")), str(cause.get("message", "")))
        for cause in (causes if isinstance(causes, list) else ())
        if isinstance(cause, dict)
    ]
