"""Whose certificate is at the other end of a connection; who is calling: see identity.py.

gRPC has verified the certificate's chain. Its list of subject alternative names is not used: it
mixes kinds (a URI or an e-mail address looks like a host name there) and ends a name at its
first NUL. The names are read from the certificate itself.
"""

import re
from functools import lru_cache
from typing import Any

from cryptography import x509

from chassis.errors import PermissionDeniedError

_CERTIFICATE_KEY = "x509_pem_cert"
REMEMBERED_CERTIFICATES = 256
# Neither a wildcard nor a final dot: a name is allowed by being equal to a configured one.
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_MALFORMED = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def peer_sans(context: Any) -> frozenset[str]:
    """The DNS names that the peer's verified certificate bears; none without mTLS.

    No other kind of subject alternative name counts, nor does the common name (RFC 9525 §2).
    """
    certificates = context.auth_context().get(_CERTIFICATE_KEY, ())
    return frozenset().union(*map(_dns_names, certificates))


def check_peer(context: Any, allowed: frozenset[str]) -> None:
    """Returns if one of the peer's names is allowed. Raises PermissionDeniedError."""
    if peer_sans(context).isdisjoint(allowed):
        raise PermissionDeniedError("this service is not for the peer's certificate")


@lru_cache(REMEMBERED_CERTIFICATES)
def _dns_names(certificate: bytes) -> frozenset[str]:
    """A malformed certificate or extension has none."""
    try:
        extensions = x509.load_pem_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
    except (*_MALFORMED, x509.ExtensionNotFound):
        return frozenset()
    return frozenset(filter(_HOST_NAME.fullmatch, found))
