"""Creates that happen once, however often they are sent: what tells one from another.

- A caller names a create by a key of its own choosing; no two callers share one, and no two
  namespaces. A caller is an issuer and a subject.
- Releases before this one recorded the subject alone. Such a key is a caller's only if no other
  trusted issuer could have asserted the subject; else nobody is told what it made.
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

from chassis.caller import Principal
from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.keeper import Keeper, KeeperDraft
from metadata_svc.domain.last_applied import LAST_APPLIED
from metadata_svc.domain.resource import Operation, ResourceT
from metadata_svc.domain.secure_value import SecureValue

FIELD = "Idempotency-Key"
FINGERPRINT_BYTES = 32
_POSSIBLE_KEY = re.compile("[ -~]{1,255}")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of one create. `of_subject` is what earlier releases compare: it covers no issuer.

    `of_principal` covers the issuer, too; empty from a sender that does not make it.
    """

    of_subject: bytes
    of_principal: bytes = b""

    def is_that_of(self, other: "Fingerprint") -> bool:
        """Whether both are of the same create, by the most that both cover."""
        if self.of_principal and other.of_principal:
            return hmac.compare_digest(self.of_principal, other.of_principal)
        return hmac.compare_digest(self.of_subject, other.of_subject)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What a caller calls its create, and the fingerprint of it."""

    key: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Names one create of one caller in one namespace."""

    namespace: str
    by: Principal
    key: str


@dataclass(frozen=True, slots=True)
class RecordedCreate:
    """What came of the create that was first sent under a key.

    `issuer` is None if an earlier release recorded it.
    """

    fingerprint: Fingerprint
    outcome: SecureValue | Keeper
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class SentCreate:
    """A create as its caller sends it, first or again.

    `only_issuer`: no other trusted issuer could have asserted the caller's subject.
    """

    key: IdempotencyKey
    fingerprint: Fingerprint
    only_issuer: bool


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
    sent = idempotency.fingerprint
    if len(sent.of_subject) != FINGERPRINT_BYTES or (
        sent.of_principal and len(sent.of_principal) != FINGERPRINT_BYTES
    ):
        message = f"must come with a fingerprint of {FINGERPRINT_BYTES} bytes"
        yield FieldViolation(FIELD, Rule.INVALID, message)


def outcome_of_same(
    recorded: RecordedCreate, sent: SentCreate, kind: type[ResourceT]
) -> ResourceT:
    """What the same create made before.

    Raises InvalidArgumentError if another create had the key, or perhaps another caller.
    """
    if recorded.issuer is None and not sent.only_issuer:
        raise _refused(
            "was used before the upgrade, by this subject of an issuer that was not recorded; "
            "choose another key"
        )
    outcome = recorded.outcome
    if not sent.fingerprint.is_that_of(recorded.fingerprint) or not isinstance(outcome, kind):
        raise _refused("was used for another request less than a day ago")
    return outcome


def _refused(message: str) -> InvalidArgumentError:
    return InvalidArgumentError(violations=(FieldViolation(FIELD, Rule.INVALID, message),))


def keeper_fingerprint(draft: KeeperDraft) -> Fingerprint:
    """SHA-256 of the draft as it was sent, but for who writes it (the field manager).

    What kubectl applied last only repeats the rest.
    """
    asked = dataclasses.asdict(draft)
    del asked["manager"]
    asked["annotations"].pop(LAST_APPLIED, None)
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return Fingerprint(hashlib.sha256(canonical.encode()).digest())
