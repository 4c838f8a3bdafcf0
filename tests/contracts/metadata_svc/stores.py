"""What each implementation of the ports hands to the suites."""

from dataclasses import dataclass

from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ValueKey
from metadata_svc.ports.changes import Changes, Counters
from metadata_svc.ports.idempotency import IdempotencyReader
from metadata_svc.ports.keepers import KeeperReader
from metadata_svc.ports.reader import Pages, Reader
from metadata_svc.ports.transactions import Replication, Transaction, Transactions


@dataclass(frozen=True)
class Stores:
    """One database's ports."""

    transactions: Transactions
    replication: Replication
    reader: Reader
    keepers: KeeperReader
    secure_value_pages: Pages[SecureValue]
    keeper_pages: Pages[Keeper]
    secure_value_changes: Changes[SecureValue]
    keeper_changes: Changes[Keeper]
    counters: Counters
    idempotency: IdempotencyReader


def key_of(secure_value: SecureValue) -> ValueKey:
    return ValueKey(secure_value.namespace, secure_value.value_id)


async def put(stores: Stores, *secure_values: SecureValue) -> None:
    """They are live, and their value ids claimed."""

    async def work(tx: Transaction) -> None:
        for secure_value in secure_values:
            await tx.value_ids.claim(key_of(secure_value))
            await tx.secure_values.insert(secure_value)

    await stores.transactions.run(work)


async def put_keepers(stores: Stores, *keepers: Keeper) -> None:
    """They exist."""

    async def work(tx: Transaction) -> None:
        for keeper in keepers:
            await tx.keepers.insert(keeper)

    await stores.transactions.run(work)
