"""Creates that happen once: the key is taken in the very transaction that creates."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from chassis.caller import Caller
from metadata_svc.domain.idempotency import (
    Idempotency,
    IdempotencyKey,
    SentCreate,
    outcome_of_same,
)
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.idempotency import IdempotencyReader
from metadata_svc.ports.transactions import Transaction

MadeT = TypeVar("MadeT", SecureValue, Keeper)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A create that its caller may send again, for as long as it is remembered."""

    sent: SentCreate
    retention: timedelta


def repeatable(
    caller: Caller, namespace: str, asked: Idempotency | None, retention: timedelta
) -> Repeatable | None:
    """What the caller asked to happen once, if it did."""
    if asked is None:
        return None
    key = IdempotencyKey(namespace, caller.principal, asked.key)
    return Repeatable(SentCreate(key, asked.fingerprint, caller.only_issuer), retention)


async def made_before(
    reader: IdempotencyReader, create: Repeatable | None, kind: type[MadeT]
) -> MadeT | None:
    """What the same create made, if it was sent before. Only after the caller is authorised.

    Raises InvalidArgumentError if the key was used for another create.
    """
    if create is None:
        return None
    recorded = await reader.find(create.sent.key, younger_than=create.retention)
    if recorded is None:
        return None
    return outcome_of_same(recorded, create.sent, kind)


async def made_once(
    tx: Transaction,
    create: Repeatable | None,
    kind: type[MadeT],
    make: Callable[[], Awaitable[MadeT]],
) -> MadeT:
    """What `make` makes now, recorded; or what the same create made before, and nothing else.

    Takes the key before any other lock. Raises InvalidArgumentError if it was used for another
    create, and whatever `make` raises: then the transaction must end, and the key is as it was.
    """
    if create is None:
        return await make()
    key, fingerprint = create.sent.key, create.sent.fingerprint
    recorded = await tx.idempotency.take(key, fingerprint, younger_than=create.retention)
    if recorded is not None:
        return outcome_of_same(recorded, create.sent, kind)
    made = await make()
    await tx.idempotency.record(key, made)
    return made
