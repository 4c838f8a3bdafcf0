"""Sealing and opening values, wrapping and unwrapping keys: AES-256-GCM (NIST SP 800-38D).

- A value has a key of its own, used for one seal; a data key only ever wraps value keys.
- Nonces and value keys are made in here from the injected RandomBytes. No caller chooses one.
- Opening returns the plaintext or raises EnvelopeError; there is no result to forget to check.
"""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.clock import RandomBytes
from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import (
    KEY_BYTES,
    NONCE_BYTES,
    DataKeyContext,
    EnvelopeError,
    Fault,
    Format,
    ValueContext,
    ValueKeyContext,
    parse,
    serialise,
)


@dataclass(frozen=True, slots=True)
class DataKey:
    """An unwrapped data key, ready to use; its bytes cannot be read back from here."""

    namespace: str
    data_key_id: UUID
    cipher: AESGCM

    @classmethod
    def of(cls, namespace: str, data_key_id: UUID, key: Sensitive[bytes]) -> "DataKey":
        """The data key with these 32 bytes.

        Raises EnvelopeError if there are not 32.
        """
        if len(key.reveal()) != KEY_BYTES:
            raise EnvelopeError(Fault.NOT_AUTHENTIC)
        return cls(namespace, data_key_id, AESGCM(key.reveal()))


class SealedValue(NamedTuple):
    """A value as it rests: its seal, and its key wrapped under a data key."""

    data_key_id: UUID
    wrapped_value_key: bytes
    sealed_value: bytes


def seal_value(
    value: Sensitive[bytes], context: ValueContext, data_key: DataKey, *, random: RandomBytes
) -> SealedValue:
    """The value sealed under a fresh key of its own, that key wrapped under the data key."""
    value_key = random(KEY_BYTES)
    sealed = _encrypt(
        AESGCM(value_key),
        Format.SEALED_VALUE,
        value.reveal(),
        context.associated_data(),
        random,
    )
    wrapped = _encrypt(
        data_key.cipher,
        Format.WRAPPED_VALUE_KEY,
        value_key,
        _value_key_context(context, data_key).associated_data(),
        random,
    )
    return SealedValue(data_key.data_key_id, wrapped, sealed)


def open_value(
    sealed: SealedValue, context: ValueContext, data_key: DataKey
) -> Sensitive[bytes]:
    """The value, as it was sealed in this very context under this very data key.

    Raises EnvelopeError for any other blob, context or key.
    """
    return Sensitive(
        _decrypt(
            _value_cipher(sealed, context, data_key),
            Format.SEALED_VALUE,
            sealed.sealed_value,
            context.associated_data(),
        )
    )


def check_value_key(sealed: SealedValue, context: ValueContext, data_key: DataKey) -> None:
    """Raises EnvelopeError unless the value's key unwraps; the context's name plays no part."""
    _value_cipher(sealed, context, data_key)


def wrap_data_key(
    key: Sensitive[bytes],
    context: DataKeyContext,
    kek: Sensitive[bytes],
    *,
    random: RandomBytes,
) -> bytes:
    """The data key wrapped under a KEK whose bytes are at hand."""
    cipher = AESGCM(kek.reveal())
    return _encrypt(cipher, context.format, key.reveal(), context.associated_data(), random)


def unwrap_data_key(
    wrapped: bytes, context: DataKeyContext, kek: Sensitive[bytes]
) -> Sensitive[bytes]:
    """The data key that was wrapped in this very context under this very KEK.

    Raises EnvelopeError for any other blob, context or key.
    """
    cipher = AESGCM(kek.reveal())
    return Sensitive(_decrypt(cipher, context.format, wrapped, context.associated_data()))


def _value_cipher(sealed: SealedValue, context: ValueContext, data_key: DataKey) -> AESGCM:
    value_key = _decrypt(
        data_key.cipher,
        Format.WRAPPED_VALUE_KEY,
        sealed.wrapped_value_key,
        _value_key_context(context, data_key).associated_data(),
    )
    if len(value_key) != KEY_BYTES:
        raise EnvelopeError(Fault.NOT_AUTHENTIC)
    return AESGCM(value_key)


def _value_key_context(context: ValueContext, data_key: DataKey) -> ValueKeyContext:
    return ValueKeyContext(context.namespace, context.value_id, data_key.data_key_id)


def _encrypt(
    cipher: AESGCM, kind: Format, plain: bytes, associated_data: bytes, random: RandomBytes
) -> bytes:
    nonce = random(NONCE_BYTES)
    return serialise(kind, nonce, cipher.encrypt(nonce, plain, associated_data))


def _decrypt(cipher: AESGCM, kind: Format, blob: bytes, associated_data: bytes) -> bytes:
    nonce, ciphertext = parse(blob, kind)
    try:
        return cipher.decrypt(nonce, ciphertext, associated_data)
    except InvalidTag:
        raise EnvelopeError(Fault.NOT_AUTHENTIC) from None
