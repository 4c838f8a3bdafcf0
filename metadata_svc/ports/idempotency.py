"""Which creates were sent under which key, and what they made."""

from datetime import timedelta
from typing import Protocol

from metadata_svc.domain.idempotency import Fingerprint, IdempotencyKey, RecordedCreate
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue


class IdempotencyReader(Protocol):
    """Reads committed keys. Suite: tests/contracts/metadata_svc/idempotency.py."""

    async def find(
        self, key: IdempotencyKey, *, younger_than: timedelta
    ) -> RecordedCreate | None:
        """What was made under the key, unless that is older, by the database's clock.

        Raises UnavailableError.
        """
        ...


class IdempotencyStore(Protocol):
    """The keys, inside a transaction. Suite: tests/contracts/metadata_svc/idempotency.py."""

    async def take(
        self, key: IdempotencyKey, fingerprint: Fingerprint, *, younger_than: timedelta
    ) -> RecordedCreate | None:
        """None: the key is this transaction's. Else what was made under it before.

        An equal subject of another issuer is another caller. A row that does not say its issuer
        (an earlier release wrote it) is answered to every issuer, as it is.

        What is older is forgotten for it. Of two transactions that take one key, the second
        waits for the first to end. Whoever takes a key records an outcome before the end.
        """
        ...

    async def record(self, key: IdempotencyKey, outcome: SecureValue | Keeper) -> None:
        """What was made under the key, taken before."""
        ...

    async def trim(self, *, minimum_age: timedelta, limit: int) -> int:
        """At most `limit` of the keys at least that old are gone, oldest first; how many.

        Their age counts from when they were taken, by the database's clock.
        """
        ...
