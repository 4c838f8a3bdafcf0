"""Creates that happen once, however often they are sent: what tells one from another.

- A caller names a create by a key of its own choosing; no two callers share one, and no two
  namespaces.
- A fingerprint says whether it is the same create again. That of a secure value is made by the
  vault, under a key that is not here: it tells nothing of the value. A keeper has no secret, so
  its fingerprint is a plain digest.
"""

import dataclasses
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.keeper import Keeper, KeeperDraft
from metadata_svc.domain.resource import Operation, ResourceT
from metadata_svc.domain.secure_value import SecureValue

FIELD = "Idempotency-Key"
FINGERPRINT_BYTES = 32
_POSSIBLE_KEY = re.compile("[ -~]{1,255}")


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What a caller calls its create, and the fingerprint of it."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Names one create of one caller in one namespace."""

    namespace: str
    subject: str
    key: str


@dataclass(frozen=True, slots=True)
class RecordedCreate:
    """What came of the create that was first sent under a key."""

    fingerprint: bytes
    outcome: SecureValue | Keeper


def key_violations(key: str) -> Iterator[FieldViolation]:
    """What is wrong with the key that a caller chose."""
    if not _POSSIBLE_KEY.fullmatch(key):
        rule = "must be 1 to 255 printable ASCII characters"
        yield FieldViolation(FIELD, Rule.INVALID, rule)


def idempotency_violations(
    idempotency: Idempotency | None, operation: Operation
) -> Iterator[FieldViolation]:
    """What is wrong with what a peer sends of it."""
    if idempotency is None:
        return
    yield from key_violations(idempotency.key)
    if operation is not Operation.CREATE:
        yield FieldViolation(FIELD, Rule.FORBIDDEN, "is for creates only")
    if len(idempotency.fingerprint) != FINGERPRINT_BYTES:
        message = f"must come with a fingerprint of {FINGERPRINT_BYTES} bytes"
        yield FieldViolation(FIELD, Rule.INVALID, message)


def outcome_of_same(
    recorded: RecordedCreate, fingerprint: bytes, kind: type[ResourceT]
) -> ResourceT:
    """What the same create made before.

    Raises InvalidArgumentError if it was another create that had the key.
    """
    outcome = recorded.outcome
    same = hmac.compare_digest(recorded.fingerprint, fingerprint)
    if not same or not isinstance(outcome, kind):
        message = "was used for another request less than a day ago"
        raise InvalidArgumentError(violations=(FieldViolation(FIELD, Rule.INVALID, message),))
    return outcome


def keeper_fingerprint(draft: KeeperDraft) -> bytes:
    """SHA-256 of the draft as it was sent, but for who writes it (the field manager)."""
    asked = dataclasses.asdict(draft)
    del asked["manager"]
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()
