"""Fingerprints: whether a create is the same one that its caller sent before.

A fingerprint is HMAC-SHA-256 (RFC 2104) of the whole request, value included, under a key of
the namespace that never leaves the vault. Metadata keeps it, and can neither guess a value by
it nor see that two callers sent the same: the caller (issuer and subject) and the key it chose
are part of what is fingerprinted.

Earlier releases fingerprint the subject without its issuer. Both are made, so that a create
sent through one release is the same create when it is sent again through the other.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from chassis.caller import Principal
from chassis.errors import FieldViolation, Rule
from chassis.sensitive import Sensitive
from vault_svc.domain.draft import Draft
from vault_svc.domain.envelope import KEY_BYTES, EnvelopeError, Fault, length_prefixed
from vault_svc.domain.last_applied import LAST_APPLIED

IDEMPOTENCY_FIELD = "Idempotency-Key"  # as the draft of the IETF's HTTP API group calls it
_POSSIBLE_KEY = re.compile("[ -~]{1,255}")
_SUBJECT_LAYOUT, _PRINCIPAL_LAYOUT = b"\x01", b"\x02"
_KIND = b"create secure value"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Who may ask for the same again, and what that caller calls it."""

    by: Principal
    text: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """32 bytes each: `of_subject` as earlier releases make it, the other with the issuer."""

    of_subject: bytes
    of_principal: bytes


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """An unwrapped fingerprint key, ready to use."""

    namespace: str
    key_id: UUID
    key: Sensitive[bytes]

    @classmethod
    def of(cls, namespace: str, key_id: UUID, key: Sensitive[bytes]) -> "FingerprintKey":
        """The fingerprint key with these 32 bytes.

        Raises EnvelopeError if there are not 32.
        """
        if len(key.reveal()) != KEY_BYTES:
            raise EnvelopeError(Fault.NOT_AUTHENTIC)
        return cls(namespace, key_id, key)

    def fingerprint(
        self, asked_as: IdempotencyKey, draft: Draft, value: Sensitive[bytes]
    ) -> Fingerprint:
        """Equal for equal requests of one caller under one key, and for no others."""
        of_subject = canonical_create(asked_as, draft, value, with_issuer=False)
        of_principal = canonical_create(asked_as, draft, value, with_issuer=True)
        return Fingerprint(self._digest(of_subject), self._digest(of_principal))

    def _digest(self, request: Sensitive[bytes]) -> bytes:
        return hmac.digest(self.key.reveal(), request.reveal(), "sha256")


def key_violations(text: str) -> tuple[FieldViolation, ...]:
    """What is wrong with the key that a caller chose."""
    if _POSSIBLE_KEY.fullmatch(text):
        return ()
    rule = "must be 1 to 255 printable ASCII characters"
    return (FieldViolation(IDEMPOTENCY_FIELD, Rule.INVALID, rule),)


def canonical_create(
    asked_as: IdempotencyKey, draft: Draft, value: Sensitive[bytes], *, with_issuer: bool
) -> Sensitive[bytes]:
    """The request as bytes: injective, and the same whatever order its maps came in.

    The field manager is no part of it, nor is what kubectl applied last, which only repeats the
    rest; without the issuer it is as earlier releases have it.
    """
    annotations = {k: v for k, v in draft.annotations.items() if k != LAST_APPLIED}
    issuer, subject = (text.encode() for text in asked_as.by)
    caller = (_PRINCIPAL_LAYOUT, _KIND, issuer) if with_issuer else (_SUBJECT_LAYOUT, _KIND)
    owners = (
        _texts(owner.api_version, owner.kind, owner.name) for owner in draft.owner_references
    )
    content = length_prefixed(
        *caller,
        subject,
        asked_as.text.encode(),
        draft.namespace.encode(),
        draft.name.encode(),
        draft.generate_name.encode(),
        draft.description.encode(),
        _texts(*draft.decrypters),
        _sorted(draft.labels),
        _sorted(annotations),
        draft.ref.encode(),
        length_prefixed(*owners),
        value.reveal(),
    )
    return Sensitive(content)


def _texts(*texts: str) -> bytes:
    return length_prefixed(*(text.encode() for text in texts))


def _sorted(pairs: Mapping[str, str]) -> bytes:
    """Key, value, key, value …, by the bytes of the keys."""
    encoded = sorted((key.encode(), value.encode()) for key, value in pairs.items())
    return length_prefixed(*(text for pair in encoded for text in pair))
