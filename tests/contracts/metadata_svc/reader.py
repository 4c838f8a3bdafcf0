"""The suite of ports.Reader."""

from metadata_svc.domain.access import Location
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores, key_of, put
from tests.fakes.metadata_svc.builders import NAMESPACE, a_secure_value


class ReaderContract:
    async def test_a_value_is_located_by_its_name(self, stores: Stores) -> None:
        one, two = (
            a_secure_value(name="one", keeper="aws", version=3),
            a_secure_value(name="two"),
        )
        await put(stores, one, two)

        found = await stores.reader.locate([(NAMESPACE, "one"), (NAMESPACE, "four")])

        assert found == {
            (NAMESPACE, "one"): Location(
                keeper="aws",
                value_id=one.value_id,
                version=3,
                decrypters=found[NAMESPACE, "one"].decrypters,
            )
        }
        assert tuple(found[NAMESPACE, "one"].decrypters) == one.decrypters

    async def test_values_of_several_namespaces_are_located_at_once(
        self, stores: Stores
    ) -> None:
        here, there = a_secure_value(name="one"), a_secure_value(namespace="other", name="one")
        await put(stores, here, there, a_secure_value(namespace="other", name="two"))
        asked = [("other", "one"), (NAMESPACE, "two"), (NAMESPACE, "one"), ("other", "one")]

        found = await stores.reader.locate(asked)

        assert {address: location.value_id for address, location in found.items()} == {
            ("other", "one"): there.value_id,
            (NAMESPACE, "one"): here.value_id,
        }

    async def test_nothing_asked_is_nothing_located(self, stores: Stores) -> None:
        assert await stores.reader.locate([]) == {}

    async def test_a_live_secure_value_is_read_as_it_is(self, stores: Stores) -> None:
        secure_value = a_secure_value()
        await put(stores, secure_value)

        assert await stores.reader.get(NAMESPACE, secure_value.name) == secure_value
        assert await stores.reader.get(NAMESPACE, "nowhere") is None
        assert await stores.reader.get("other", secure_value.name) is None

    async def test_a_name_remembers_its_last_version(self, stores: Stores) -> None:
        secure_value = a_secure_value()

        async def create(tx: Transaction) -> None:
            await tx.secure_values.next_version(NAMESPACE, secure_value.name)
            await tx.value_ids.claim(key_of(secure_value))
            await tx.secure_values.insert(secure_value)

        await stores.transactions.run(create)
        await stores.transactions.run(lambda tx: tx.secure_values.remove(secure_value))

        assert await stores.reader.last_version(NAMESPACE, secure_value.name) == 1
        assert await stores.reader.last_version(NAMESPACE, "nowhere") == 0
