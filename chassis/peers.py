"""Whose certificate is at the other end of a connection; who is calling: see identity.py."""

from typing import Any

from chassis.errors import PermissionDeniedError

_SAN_KEY = "x509_subject_alternative_name"


def peer_sans(context: Any) -> frozenset[str]:
    """The subject alternative names of the peer's verified certificate; none without mTLS."""
    names = context.auth_context().get(_SAN_KEY, ())
    return frozenset(name.decode("utf-8", "replace") for name in names)


def check_peer(context: Any, allowed: frozenset[str]) -> None:
    """Returns if one of the peer's names is allowed. Raises PermissionDeniedError."""
    if peer_sans(context).isdisjoint(allowed):
        raise PermissionDeniedError("this service is not for the peer's certificate")
