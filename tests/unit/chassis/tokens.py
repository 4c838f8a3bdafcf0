"""Issuers that sign whatever they are told to, for the verifier's tests."""

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from chassis.issuers import Issuer

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ISSUER = "https://issuer.example"
AUDIENCE = "api"


@dataclass
class SettableClock:
    """A clock that stands where it is put."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def generate(algorithm: str) -> Any:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1())


def jwk(key: Any, key_id: str, algorithm: str = "ES256") -> dict[str, Any]:
    """The public half of a key, as a key set lists it."""
    public: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(
        key.public_key(), as_dict=True
    )
    return public | {"kid": key_id, "use": "sig", "alg": algorithm}


def publish(file: Path, *entries: dict[str, Any]) -> None:
    """The file is a key set of these entries."""
    file.write_bytes(key_set(*entries))


def key_set(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(entries)}).encode()


def claims(**changed: Any) -> dict[str, Any]:
    """Claims of a good token; a claim changed to None is left out."""
    stamp = int(NOW.timestamp())
    whole = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "service-account:1",
        "namespace": "team-a",
        "iat": stamp,
        "nbf": stamp,
        "exp": stamp + 600,
    } | changed
    return {name: value for name, value in whole.items() if value is not None}


def signed(
    key: Any,
    payload: dict[str, Any] | bytes,
    *,
    algorithm: str = "ES256",
    header: dict[str, Any] | bytes | None = None,
) -> str:
    """A token over exactly this header and payload, whatever sense they make."""
    whole = header if isinstance(header, bytes) else _header(algorithm, header)
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signing = f"{part(whole)}.{part(body)}"
    signature = get_default_algorithms()[algorithm].sign(signing.encode(), key)
    return f"{signing}.{part(signature)}"


def _header(algorithm: str, changed: dict[str, Any] | None) -> bytes:
    whole = {"alg": algorithm, "typ": "at+jwt", "kid": "k1"} | (changed or {})
    return json.dumps({n: v for n, v in whole.items() if v is not None}).encode()


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hs256_with_public_key(key: Any, payload: dict[str, Any]) -> str:
    """The classic confusion: the public key used as an HMAC secret."""
    secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing = f"{part(_header('HS256', None))}.{part(json.dumps(payload).encode())}"
    return f"{signing}.{part(hmac.digest(secret, signing.encode(), 'sha256'))}"


def issuer(file: Path, algorithm: str = "ES256", **changed: Any) -> Issuer:
    """A trusted issuer that may assert everything, unless changed."""
    everything = frozenset({"*"})
    bounds: dict[str, Any] = {
        "namespaces": everything,
        "service_identities": everything,
        "roles": everything,
        "actions": everything,
        "may_grant_decrypt": True,
    } | changed
    return Issuer(
        issuer=ISSUER,
        audiences=frozenset({AUDIENCE}),
        algorithm=algorithm,
        jwks_file=file,
        **bounds,
    )
