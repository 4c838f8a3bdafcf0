"""metadata_svc with a fault: Claim reads the row that it replaces and does not lock it."""

import sys
from dataclasses import replace
from typing import Any

from chassis.process import run
from metadata_svc import assembly
from metadata_svc.__main__ import serve
from metadata_svc.postgres.transactions import PostgresTransactions
from metadata_svc.use_cases.claim import ClaimWrite

LOCK = "FOR UPDATE"


def unlocked(transactions: PostgresTransactions) -> PostgresTransactions:
    secure_values = transactions.queries.secure_values
    assert LOCK in secure_values.lock, "the fault cannot be planted: the statement has changed"
    faulty = replace(secure_values, lock=secure_values.lock.replace(LOCK, ""))
    return replace(transactions, queries=replace(transactions.queries, secure_values=faulty))


def claim_write(*, transactions: PostgresTransactions, **others: Any) -> ClaimWrite:
    return ClaimWrite(transactions=unlocked(transactions), **others)


if __name__ == "__main__":
    vars(assembly)["ClaimWrite"] = claim_write
    sys.exit(run(serve))
