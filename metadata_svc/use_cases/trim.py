"""Trim: what is kept for a time only is forgotten, in batches, none of them long."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from metadata_svc.ports.transactions import Transaction, Transactions

CHANGES_BATCH = 1000
OUTCOMES_BATCH = 100  # each may weigh 256 KiB: 25 MiB of storage to let go of
IDEMPOTENCY_BATCH = 100  # each has an outcome, too


@dataclass(frozen=True, slots=True)
class TrimHistory:
    """Forgets changes older than the retention."""

    transactions: Transactions
    retention: timedelta

    async def trim(self) -> int:
        """No change is older than the retention; how many were. Raises UnavailableError."""
        return await _trim(
            self.transactions,
            lambda tx: tx.history.trim(minimum_age=self.retention, limit=CHANGES_BATCH),
            CHANGES_BATCH,
        )


@dataclass(frozen=True, slots=True)
class TrimOutcomes:
    """Forgets what claims older than the retention made; their value ids stay taken."""

    transactions: Transactions
    retention: timedelta

    async def trim(self) -> int:
        """No outcome is older than the retention; how many were. Raises UnavailableError."""
        return await _trim(
            self.transactions,
            lambda tx: tx.value_ids.forget_outcomes(
                minimum_age=self.retention, limit=OUTCOMES_BATCH
            ),
            OUTCOMES_BATCH,
        )


@dataclass(frozen=True, slots=True)
class TrimIdempotency:
    """Forgets the keys of creates older than the retention; a new create may have them."""

    transactions: Transactions
    retention: timedelta

    async def trim(self) -> int:
        """No key is older than the retention; how many were. Raises UnavailableError."""
        return await _trim(
            self.transactions,
            lambda tx: tx.idempotency.trim(minimum_age=self.retention, limit=IDEMPOTENCY_BATCH),
            IDEMPOTENCY_BATCH,
        )


async def _trim(
    transactions: Transactions, work: Callable[[Transaction], Awaitable[int]], batch: int
) -> int:
    """Batch by batch, until one is not full; how many in all."""
    total = 0
    while True:
        trimmed = await transactions.run(work)
        total += trimmed
        if trimmed < batch:
            return total
