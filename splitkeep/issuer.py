"""A token issuer for development, and for the first tokens of a production.

- Access tokens are JWTs (RFC 9068: `typ` at+jwt) signed with ES256 (RFC 7518 §3.4); the key's
  id is its thumbprint (RFC 7638).
- A token either manages (roles, grants) or decrypts (a service identity), never both: one that
  did both could put its own service on a secret's list and read the secret.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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

ISSUER = "https://issuer.splitkeep.invalid"
AUDIENCE = "secret.grafana.app"
ALGORITHM = "ES256"
COORDINATE_BYTES = 32  # P-256
LONGEST_TTL = timedelta(days=366)

# What the metadata service knows as roles: Grafana's administrator and its fixed roles.
ROLES = (
    "Admin",
    "fixed:secret.securevalues:creator",
    "fixed:secret.securevalues:reader",
    "fixed:secret.securevalues:updater",
    "fixed:secret.securevalues:deleter",
    "fixed:secret.keepers:reader",
    "fixed:secret.keepers:writer",
)
ANY_NAME_PERMISSION = "secret.grafana.app/securevalues:decrypt"


class TokenRequestError(ValueError):
    """Such a token is not minted; the text says which rule forbids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An RBAC action on a scope."""

    action: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What a token is to say."""

    subject: str
    namespace: str
    ttl: timedelta
    roles: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    permissions: tuple[str, ...] = ()
    service_identity: str = ""

    def check(self) -> None:
        """Raises TokenRequestError."""
        if self.service_identity and (self.roles or self.grants):
            raise TokenRequestError(
                "a token with a role or a grant cannot have a service identity: who manages "
                "secrets does not decrypt them"
            )
        if self.service_identity != self.service_identity.strip():
            raise TokenRequestError("a service identity does not begin or end with a space")
        if not self.subject or not self.namespace:
            raise TokenRequestError("a token needs a subject and a namespace")
        if not timedelta(0) < self.ttl <= LONGEST_TTL:
            raise TokenRequestError(
                f"a token lives longer than 0 and at most {LONGEST_TTL.days} days"
            )

    def claims(self) -> dict[str, Any]:
        """The claims of the token's own; empty ones are left out."""
        claims: dict[str, Any] = {
            "sub": self.subject,
            "namespace": self.namespace,
            "roles": list(self.roles),
            "grants": [{"action": g.action, "scope": g.scope} for g in self.grants],
            "permissions": list(self.permissions),
            "serviceIdentity": self.service_identity,
        }
        return {name: value for name, value in claims.items() if value}


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
