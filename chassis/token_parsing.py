"""An unverified compact JWS, taken apart without ambiguity. Pure.

Everything here is the sender's word until the signature is checked. Every refusal is an
UnauthenticatedError that names the rule and quotes nothing.
Sources: RFC 7515 §4 and §7.1, RFC 7519 §7.2, RFC 8725, RFC 9068 §2.1 (`at+jwt`).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from chassis.errors import UnauthenticatedError
from chassis.strict_json import parse_object

MAX_TOKEN_CHARACTERS = 16_384
MAX_KEY_ID_CHARACTERS = 256
TOKEN_TYPES = ("at+jwt", "application/at+jwt")

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Members that bring or point to a key, change what is signed, or demand to be understood.
_REFUSED_HEADERS = ("crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc")


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """The parts of a token whose signature nobody has checked yet."""

    algorithm: str
    key_id: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse_token(token: str) -> UnverifiedToken:
    """The token's parts. Raises UnauthenticatedError."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise UnauthenticatedError(
            f"the token is longer than {MAX_TOKEN_CHARACTERS} characters"
        )
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise UnauthenticatedError("the token is not a signed token in compact form")
    header = _object(match[1], "header")
    _check_header(header)
    return UnverifiedToken(
        algorithm=header["alg"],
        key_id=header["kid"],
        claims=_object(match[2], "payload"),
        signed=f"{match[1]}.{match[2]}".encode("ascii"),
        signature=_decoded(match[3], "signature"),
    )


def _check_header(header: dict[str, Any]) -> None:
    for name in _REFUSED_HEADERS:
        if name in header:
            raise UnauthenticatedError(f"the token's header must not have {name}")
    token_type = header.get("typ")
    if not isinstance(token_type, str) or token_type.lower() not in TOKEN_TYPES:
        raise UnauthenticatedError("the token's typ must be at+jwt")
    if not isinstance(header.get("alg"), str):
        raise UnauthenticatedError("the token's alg must be a string")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise UnauthenticatedError("the token's kid must be a string of 1 to 256 characters")


def _object(part: str, name: str) -> dict[str, Any]:
    try:
        return parse_object(_decoded(part, name))
    except ValueError:
        raise UnauthenticatedError(f"the token's {name} is not one JSON object") from None


def _decoded(part: str, name: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise UnauthenticatedError(f"the token's {name} is not base64url") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise UnauthenticatedError(f"the token's {name} is not canonical base64url")
    return decoded
