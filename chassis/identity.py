"""From a request's metadata to its Caller.

- A call carries exactly one credential: `authorization: Bearer TOKEN` or
  `x-access-token: TOKEN`. None, two, or one repeated is refused.
- An `x-id-token` beside it says that the call is made for a user.
- Whoever stands behind the transport (a peer's certificate) is another matter and another
  argument: see chassis/grpc_server.py.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from chassis.caller import EVERY_NAMESPACE, Caller, Grant
from chassis.errors import UnauthenticatedError
from chassis.issuers import Issuer, IssuersFileError, load_issuers
from chassis.jwt_verifier import JwtVerifier
from chassis.sensitive import Sensitive

__all__ = [
    "EVERY_NAMESPACE",
    "Authenticator",
    "Caller",
    "Grant",
    "Issuer",
    "IssuersFileError",
    "JwtVerifier",
    "Metadata",
    "TokenVerifier",
    "credential",
    "load_issuers",
]

Metadata = Sequence[tuple[str, str | bytes]]

ACCESS_TOKEN_KEY = "x-access-token"  # noqa: S105  # the name of a header
ID_TOKEN_KEY = "x-id-token"  # noqa: S105  # the name of a header
AUTHORIZATION_KEY = "authorization"
_CREDENTIAL_KEYS = (ACCESS_TOKEN_KEY, AUTHORIZATION_KEY)


class TokenVerifier(Protocol):
    """Establishes who holds a token. Contract: tests/unit/chassis/test_jwt_verifier.py."""

    def remembered(self, token: Sensitive[str]) -> Caller | None:
        """The caller, if the token was verified before and is still accepted; costs little.

        Raises nothing; None says nothing about the token.
        """
        ...

    async def verify(self, token: Sensitive[str]) -> Caller:
        """The caller that the token names.

        Raises UnauthenticatedError, with the rule and nothing of the token; UnavailableError
        only when no key of a configured issuer can be had.
        """
        ...


class Authenticator:
    """Finds the one credential of a request and has it verified."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def remembered(self, metadata: Metadata) -> Caller | None:
        """Who is calling, if the credential was verified before: see TokenVerifier.

        Raises UnauthenticatedError if there is not exactly one well-formed credential.
        """
        credentials, for_user = _found(metadata)
        caller = self._verifier.remembered(_only(credentials))
        return _calling(caller, for_user=for_user) if caller else None

    async def caller(self, metadata: Metadata) -> Caller:
        """Who is calling. Raises UnauthenticatedError, UnavailableError: see TokenVerifier."""
        credentials, for_user = _found(metadata)
        caller = await self._verifier.verify(_only(credentials))
        return _calling(caller, for_user=for_user)

    @staticmethod
    def credential(metadata: Metadata) -> Sensitive[str]:
        """See the function of the same name, below."""
        return credential(metadata)


def credential(metadata: Metadata) -> Sensitive[str]:
    """The request's one token, unverified, e.g. for passing it on unchanged.

    Raises UnauthenticatedError if there is none, more than one, or one of another kind.
    """
    return _only(_found(metadata)[0])


def _calling(caller: Caller, *, for_user: bool) -> Caller:
    return dataclasses.replace(caller, for_user=True) if for_user else caller


def _found(metadata: Metadata) -> tuple[list[tuple[str, str | bytes]], bool]:
    """The credentials by their lower-case keys, and whether there is an id token too."""
    credentials, for_user = [], False
    for key, value in metadata:
        name = key.lower()
        if name in _CREDENTIAL_KEYS:
            credentials.append((name, value))
        elif name == ID_TOKEN_KEY:
            for_user = True
    return credentials, for_user


def _only(credentials: list[tuple[str, str | bytes]]) -> Sensitive[str]:
    if not credentials:
        raise UnauthenticatedError
    if len(credentials) > 1:
        raise UnauthenticatedError("exactly one credential is allowed, there are several")
    ((key, value),) = credentials
    if isinstance(value, bytes):
        raise UnauthenticatedError("the credential is not text")
    return _bearer(value) if key == AUTHORIZATION_KEY else _token(value)


def _bearer(value: str) -> Sensitive[str]:
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("the authorization scheme must be Bearer")
    return _token(token)


def _token(value: str) -> Sensitive[str]:
    token = value.strip()
    if not token:
        raise UnauthenticatedError("the credential is empty")
    if not (token.isascii() and token.isprintable()):
        raise UnauthenticatedError("the credential is not printable ASCII text")
    return Sensitive(token)
