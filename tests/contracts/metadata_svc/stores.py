"""What each implementation of the ports hands to the suites."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ValueKey
from metadata_svc.ports.keepers import KeeperReader
from metadata_svc.ports.reader import Reader
from metadata_svc.ports.transactions import Transaction, Transactions


@dataclass(frozen=True)
class Stores:
    """One database's ports; `add_keeper(namespace, name, active)` is the suite's own way in."""

    transactions: Transactions
    reader: Reader
    keepers: KeeperReader
    add_keeper: Callable[[str, str, bool], Awaitable[None]]


def key_of(secure_value: SecureValue) -> ValueKey:
    return ValueKey(secure_value.namespace, secure_value.value_id)


async def put(stores: Stores, *secure_values: SecureValue) -> None:
    """They are live, and their value ids claimed."""

    async def work(tx: Transaction) -> None:
        for secure_value in secure_values:
            await tx.value_ids.claim(key_of(secure_value))
            await tx.secure_values.insert(secure_value)

    await stores.transactions.run(work)
