"""Trim: the history that watches read is kept for a time only."""

from dataclasses import dataclass
from datetime import timedelta

from metadata_svc.ports import Transactions

TRIM_BATCH = 1000  # changes in one transaction, so that none is long


@dataclass(frozen=True, slots=True)
class TrimHistory:
    """Forgets changes older than the retention."""

    transactions: Transactions
    retention: timedelta

    async def trim(self) -> int:
        """No change is older than the retention; how many were. Raises UnavailableError."""
        total = 0
        while True:
            trimmed = await self.transactions.run(
                lambda tx: tx.history.trim(minimum_age=self.retention, limit=TRIM_BATCH)
            )
            total += trimmed
            if trimmed < TRIM_BATCH:
                return total
