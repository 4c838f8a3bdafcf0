"""The one credential of an HTTP request, to be passed on unchanged. The services verify it."""

import re

from chassis.errors import UnauthenticatedError
from chassis.identity import credential
from chassis.sensitive import Sensitive

MAX_TOKEN_BYTES = 16_384
"""What the services' ports have room for (chassis/grpc_server.py)."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""`b64token` of RFC 6750 §2.1. A list of several credentials is none."""


def credential_of(headers: list[tuple[bytes, bytes]]) -> Sensitive[str]:
    """The token of `Authorization: Bearer` or of `X-Access-Token`.

    Raises UnauthenticatedError: there is none, more than one, one of another kind, or one that
    cannot be a token.
    """
    token = credential(
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    )
    text = token.reveal()
    if len(text) > MAX_TOKEN_BYTES or not _TOKEN.fullmatch(text):
        raise UnauthenticatedError("the access token is not a token")
    return token
