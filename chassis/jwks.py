"""A JSON Web Key Set as verified public keys of one algorithm. Pure.

- A key is kept only if its type, curve and size fit the issuer's one algorithm.
- Keys for other uses or algorithms are passed over; a private or symmetric key, or a key id
  twice, makes the whole set unusable: it was not meant to be published.
- A set without keys is usable: taking out the last key is how its issuer is disowned.
Sources: RFC 7517 (JWK), RFC 7518 §6, RFC 8037 §2; NIST SP 800-57 for the RSA size.
"""

from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import Algorithm, get_default_algorithms

from chassis.strict_json import parse_object

MAX_KEYS = 64
MIN_RSA_BITS = 2048
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SHAPES = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "RS256": ("RSA", None),
    "EdDSA": ("OKP", "Ed25519"),
}


class KeySetError(Exception):
    """The document is not a usable key set."""


class SignatureError(Exception):
    """The signature was not made by that key over those bytes."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys by key id, all of one algorithm."""

    algorithm: str
    keys: dict[str, Any]

    def verify(self, key_id: str, signed: bytes, signature: bytes) -> None:
        """Return if the key of that id, which must be there, made the signature over `signed`.

        Raises SignatureError.
        """
        if not _algorithm(self.algorithm).verify(signed, self.keys[key_id], signature):
            raise SignatureError("the signature is not that key's")


def parse_key_set(document: bytes, algorithm: str) -> KeySet:
    """The document's keys for the algorithm; none is an answer too. Raises KeySetError."""
    try:
        entries = parse_object(document).get("keys")
    except ValueError:
        raise KeySetError("the key set is not a JSON object") from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise KeySetError(f"the key set has no list of at most {MAX_KEYS} keys")
    keys: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, dict) or _PRIVATE_MEMBERS & set(entry):
            raise KeySetError("the key set holds something else than public keys")
        if _fits(entry, algorithm):
            if entry["kid"] in keys:
                raise KeySetError("two keys of the key set have the same id")
            keys[entry["kid"]] = _public_key(entry, algorithm)
    return KeySet(algorithm, keys)


def _fits(entry: dict[str, Any], algorithm: str) -> bool:
    key_type, curve = _SHAPES[algorithm]
    return (
        isinstance(entry.get("kid"), str)
        and entry.get("kty") == key_type
        and entry.get("crv") == curve
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", algorithm) == algorithm
    )


def _public_key(entry: dict[str, Any], algorithm: str) -> Any:
    try:
        key = _algorithm(algorithm).from_jwk(entry)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise KeySetError("a key of the key set is malformed") from None
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise KeySetError(f"an RSA key of the key set has less than {MIN_RSA_BITS} bits")
    return key


def _algorithm(name: str) -> Algorithm:
    return _ALGORITHMS[name]


_ALGORITHMS = {name: get_default_algorithms()[name] for name in _SHAPES}
