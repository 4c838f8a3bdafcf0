"""The suite of ports.Transactions."""

import asyncio

import pytest

from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores, key_of, put
from tests.fakes.metadata_svc.builders import NAMESPACE, a_secure_value


class StoppedError(Exception):
    pass


class TransactionsContract:
    async def test_what_raised_has_not_happened(self, stores: Stores) -> None:
        secure_value = a_secure_value()

        async def work(tx: Transaction) -> None:
            await tx.value_ids.claim(key_of(secure_value))
            await tx.secure_values.next_version(NAMESPACE, secure_value.name)
            await tx.secure_values.insert(secure_value)
            await tx.history.advance(NAMESPACE)
            raise StoppedError

        with pytest.raises(StoppedError):
            await stores.transactions.run(work)

        reader = stores.reader
        assert await reader.get(NAMESPACE, secure_value.name) is None
        assert await reader.last_version(NAMESPACE, secure_value.name) == 0
        assert await reader.resource_version(NAMESPACE) == 0
        claim = await stores.transactions.run(
            lambda tx: tx.value_ids.claim(key_of(secure_value))
        )
        assert claim is None

    async def test_a_transaction_sees_its_own_writes(self, stores: Stores) -> None:
        secure_value = a_secure_value()
        await put(stores, secure_value)

        async def work(tx: Transaction) -> object:
            await tx.secure_values.remove(secure_value)
            return await tx.secure_values.lock(NAMESPACE, secure_value.name)

        assert await stores.transactions.run(work) is None

    async def test_numbers_are_given_out_in_the_order_of_commits(self, stores: Stores) -> None:
        committed: list[int] = []

        async def work(tx: Transaction) -> int:
            return await tx.history.advance(NAMESPACE)

        async def one() -> None:
            committed.append(await stores.transactions.run(work))

        await asyncio.gather(*(one() for _ in range(8)))

        assert sorted(committed) == [1, 2, 3, 4, 5, 6, 7, 8]

    async def test_what_a_transaction_answers_comes_back(self, stores: Stores) -> None:
        async def work(tx: Transaction) -> str:
            return f"{await tx.history.advance(NAMESPACE)} is the first"

        assert await stores.transactions.run(work) == "1 is the first"
