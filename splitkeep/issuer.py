"""A token issuer for development, and for the first tokens of a production.

- Access tokens are JWTs (RFC 9068: `typ` at+jwt) signed with ES256 (RFC 7518 §3.4); the key's
  id is its thumbprint (RFC 7638).
- What a token says is checked before it is signed: see splitkeep.token_request.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from chassis.sensitive import Sensitive
from splitkeep.files import PUBLIC, json_bytes, read_or_make, write_file
from splitkeep.token_request import (
    ANY_NAME_PERMISSION,
    LONGEST_TTL,
    ROLES,
    Grant,
    TokenRequest,
    TokenRequestError,
)

__all__ = [
    "ANY_NAME_PERMISSION",
    "LONGEST_TTL",
    "ROLES",
    "Grant",
    "Issuer",
    "TokenRequest",
    "TokenRequestError",
    "ensure_issuer",
    "new_issuer_key",
    "parse_issuer",
    "publish",
    "published",
]

ISSUER = "https://issuer.splitkeep.invalid"
AUDIENCE = "secret.grafana.app"
ALGORITHM = "ES256"
COORDINATE_BYTES = 32  # P-256


@dataclass(frozen=True, slots=True)
class Issuer:
    """Signs tokens with one key."""

    private_key: ec.EllipticCurvePrivateKey

    @property
    def key_id(self) -> str:
        """RFC 7638 §3: the hash of the required members in their order."""
        members = {name: self._public()[name] for name in ("crv", "kty", "x", "y")}
        return _base64url(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())

    def jwks(self) -> Mapping[str, Any]:
        """The public key, as verifiers want it (RFC 7517 §5)."""
        usage = {"kid": self.key_id, "use": "sig", "alg": ALGORITHM}
        return {"keys": [{**self._public(), **usage}]}

    def mint(self, request: TokenRequest, now: datetime) -> Sensitive[str]:
        """A token that says so from now on. Raises TokenRequestError."""
        request.check()
        times = {"iat": now, "nbf": now, "exp": now + request.ttl}
        standard = {"iss": ISSUER, "aud": [AUDIENCE], "jti": str(uuid4()), **times}
        headers = {"typ": "at+jwt", "kid": self.key_id}
        claims = {**standard, **request.claims()}
        return Sensitive(
            jwt.encode(claims, self.private_key, algorithm=ALGORITHM, headers=headers)
        )

    def _public(self) -> dict[str, str]:
        numbers = self.private_key.public_key().public_numbers()
        x, y = (n.to_bytes(COORDINATE_BYTES, "big") for n in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": _base64url(x), "y": _base64url(y)}


def ensure_issuer(private_key: Path) -> Issuer:
    """The issuer with the key in this file, which is made now if it is not there.

    Raises ValueError, OSError.
    """
    return parse_issuer(read_or_make(private_key, new_issuer_key))


def parse_issuer(pem: bytes) -> Issuer:
    """The issuer with this key. Raises ValueError."""
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("an issuer's key is a P-256 key")
    return Issuer(key)


def publish(issuer: Issuer, directory: Path) -> None:
    """jwks.json and issuers.json are there: what the services need to verify its tokens."""
    for name, content in published(issuer).items():
        write_file(directory / name, content, mode=PUBLIC)


def published(issuer: Issuer) -> dict[str, bytes]:
    """The files that the services need to verify its tokens, by name."""
    entry = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "algorithm": ALGORITHM,
        "jwks_file": "jwks.json",
        "namespaces": ["*"],
        "service_identities": ["*"],
        "roles": ["*"],
        "actions": ["*"],
        "may_grant_decrypt": True,
    }
    return {
        "jwks.json": json_bytes(issuer.jwks()),
        "issuers.json": json_bytes({"issuers": [entry]}),
    }


def new_issuer_key() -> bytes:
    """A private key for an issuer, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
