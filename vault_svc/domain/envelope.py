"""The byte layout of everything sealed or wrapped, and the context each blob is bound to.

Every blob is `format (1) | nonce (12) | ciphertext and tag (16 more than the plaintext)`.

- The format byte's high half says what the blob is, its low half which layout, so no kind of
  blob is ever taken for another.
- No blob carries a key id: its row names the key, the associated data binds that name.
- Associated data is a sequence of parts, each behind its length in four bytes, so no two
  contexts share an encoding.
- Whatever is wrong with a blob is one error, EnvelopeError.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # NIST SP 800-38D §8.2.2: random nonces of 96 bits
TAG_BYTES = 16
OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES  # how much longer a blob is than what it holds


class Format(IntEnum):
    """What a blob is, and in which layout."""

    SEALED_VALUE = 0x11
    WRAPPED_VALUE_KEY = 0x21
    WRAPPED_DATA_KEY = 0x31
    WRAPPED_FINGERPRINT_KEY = 0x41


class KeyPurpose(StrEnum):
    """What a key that is wrapped under a KEK is for; its wrap is bound to it."""

    SEAL = "seal"  # wraps the keys of values
    FINGERPRINT = "fingerprint"  # tells requests apart, and seals nothing


_WRAP_FORMATS = {
    KeyPurpose.SEAL: Format.WRAPPED_DATA_KEY,
    KeyPurpose.FINGERPRINT: Format.WRAPPED_FINGERPRINT_KEY,
}


class Fault(StrEnum):
    """What is wrong with a blob; for logs and tests, never for a caller."""

    UNKNOWN_FORMAT = "unknown format"
    TRUNCATED = "truncated"
    NOT_AUTHENTIC = "not authentic"


class EnvelopeError(Exception):
    """The blob does not open here: damaged, of another kind, under another key or context."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def serialise(kind: Format, nonce: bytes, ciphertext: bytes) -> bytes:
    """The blob; the ciphertext comes with its tag at the end."""
    return bytes((kind,)) + nonce + ciphertext


def parse(blob: bytes, expected: Format) -> tuple[bytes, bytes]:
    """The nonce and the ciphertext, with its tag, of a blob of the expected format.

    Raises EnvelopeError for anything else.
    """
    if not blob:
        raise EnvelopeError(Fault.TRUNCATED)
    if blob[0] != expected:
        raise EnvelopeError(Fault.UNKNOWN_FORMAT)
    if len(blob) < OVERHEAD_BYTES:
        raise EnvelopeError(Fault.TRUNCATED)
    return blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]


def length_prefixed(*parts: bytes) -> bytes:
    """The parts, each behind its length in four bytes, big endian; injective."""
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


# The contexts of values are put together by hand, as length_prefixed would: once a name, twice.
_ID_LENGTH = len(UUID(int=0).bytes).to_bytes(4, "big")


@lru_cache(maxsize=1024)
def _value_head(namespace: str) -> bytes:
    """What the associated data of every value of the namespace begins with."""
    return length_prefixed(bytes((Format.SEALED_VALUE,)), namespace.encode())


@lru_cache(maxsize=1024)
def _value_key_head(namespace: str) -> bytes:
    """What the associated data of every value key of the namespace begins with."""
    return length_prefixed(bytes((Format.WRAPPED_VALUE_KEY,)), namespace.encode())


class ValueContext(NamedTuple):
    """Whose a sealed value is. The name comes from the request, never from the vault's rows."""

    namespace: str
    name: str
    value_id: UUID

    def associated_data(self) -> bytes:
        """What the value's seal is bound to."""
        name = self.name.encode()
        return b"".join(
            (
                _value_head(self.namespace),
                len(name).to_bytes(4, "big"),
                name,
                _ID_LENGTH,
                self.value_id.bytes,
            )
        )


class ValueKeyContext(NamedTuple):
    """Which value a value key seals, and under which data key it is wrapped."""

    namespace: str
    value_id: UUID
    data_key_id: UUID

    def associated_data(self) -> bytes:
        """What the value key's wrap is bound to."""
        head, value_id = _value_key_head(self.namespace), self.value_id.bytes
        return b"".join((head, _ID_LENGTH, value_id, _ID_LENGTH, self.data_key_id.bytes))


@dataclass(frozen=True, slots=True)
class DataKeyContext:
    """Which namespace a data key serves, as what, and under which KEK it is wrapped."""

    namespace: str
    data_key_id: UUID
    kek_id: str
    purpose: KeyPurpose = KeyPurpose.SEAL

    @property
    def format(self) -> Format:
        """What its wrap says that it is."""
        return _WRAP_FORMATS[self.purpose]

    def associated_data(self) -> bytes:
        """What the data key's wrap is bound to."""
        return length_prefixed(
            bytes((self.format,)),
            self.namespace.encode(),
            self.data_key_id.bytes,
            self.kek_id.encode(),
        )
