"""The suite of ports.SecureValueStore."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.errors import AlreadyExistsError
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores, key_of, put
from tests.fakes.metadata_svc.builders import NAMESPACE, NOON, a_secure_value


class SecureValueStoreContract:
    async def test_versions_of_a_name_count_from_one_and_never_repeat(
        self, stores: Stores
    ) -> None:
        async def work(tx: Transaction) -> int:
            return await tx.secure_values.next_version(NAMESPACE, "a")

        assert [await stores.transactions.run(work) for _ in range(3)] == [1, 2, 3]

    async def test_names_and_namespaces_count_apart(self, stores: Stores) -> None:
        async def work(tx: Transaction) -> list[int]:
            store = tx.secure_values
            return [
                await store.next_version(NAMESPACE, "a"),
                await store.next_version(NAMESPACE, "b"),
                await store.next_version("other", "a"),
            ]

        assert await stores.transactions.run(work) == [1, 1, 1]

    async def test_what_was_inserted_is_locked_as_it_was(self, stores: Stores) -> None:
        secure_value = a_secure_value(
            decrypters=("b", "a"), labels={"ключ": "x", "k": '"\\'}, annotations={"a/b": "ж\n"}
        )
        await put(stores, secure_value)

        assert await _locked(stores, secure_value.name) == secure_value

    async def test_an_unknown_name_locks_nothing(self, stores: Stores) -> None:
        await put(stores, a_secure_value(namespace="other"))

        assert await _locked(stores, "pg-main") is None

    async def test_a_name_is_inserted_once(self, stores: Stores) -> None:
        await put(stores, a_secure_value())

        with pytest.raises(AlreadyExistsError):
            await put(stores, a_secure_value())

    async def test_a_replaced_row_is_the_new_one(self, stores: Stores) -> None:
        before = a_secure_value(labels={"a": "1", "b": "2"}, decrypters=("x", "y"))
        after = replace(
            before,
            resource_version=9,
            generation=2,
            version=2,
            value_id=a_secure_value().value_id,
            description="another",
            decrypters=("y", "z"),
            labels={"a": "1", "b": "3"},
            annotations={},
            updated_at=NOON + timedelta(hours=1),
            updated_by="user:u2",
        )
        await put(stores, before)

        async def work(tx: Transaction) -> None:
            await tx.value_ids.claim(key_of(after))
            await tx.secure_values.lock(before.namespace, before.name)
            await tx.secure_values.replace(after)

        await stores.transactions.run(work)
        assert await _locked(stores, before.name) == after

    async def test_a_removed_row_is_gone_and_its_name_free(self, stores: Stores) -> None:
        secure_value = a_secure_value()
        await put(stores, secure_value)

        async def work(tx: Transaction) -> None:
            await tx.secure_values.lock(secure_value.namespace, secure_value.name)
            await tx.secure_values.remove(secure_value)

        await stores.transactions.run(work)
        assert await _locked(stores, secure_value.name) is None
        await put(stores, a_secure_value())


async def _locked(stores: Stores, name: str) -> SecureValue | None:
    return await stores.transactions.run(lambda tx: tx.secure_values.lock(NAMESPACE, name))
