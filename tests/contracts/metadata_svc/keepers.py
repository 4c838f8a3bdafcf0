"""The suites of ports.KeeperReader and ports.KeeperStore."""

from tests.contracts.metadata_svc.stores import Stores


class KeepersContract:
    async def test_a_namespace_without_an_active_keeper_has_none(self, stores: Stores) -> None:
        await stores.add_keeper("default", "aws", False)  # noqa: FBT003  # not active
        await stores.add_keeper("other", "aws", True)  # noqa: FBT003  # active

        assert await stores.keepers.active("default") is None

    async def test_the_active_keeper_is_found(self, stores: Stores) -> None:
        await stores.add_keeper("default", "aws", False)  # noqa: FBT003  # not active
        await stores.add_keeper("default", "gcp", True)  # noqa: FBT003  # active

        assert await stores.keepers.active("default") == "gcp"

    async def test_a_keeper_exists_in_its_namespace_only(self, stores: Stores) -> None:
        await stores.add_keeper("default", "aws", False)  # noqa: FBT003  # not active

        assert await stores.keepers.exists("default", "aws")
        assert not await stores.keepers.exists("other", "aws")
        assert not await stores.keepers.exists("default", "gcp")

    async def test_a_keeper_that_exists_is_locked(self, stores: Stores) -> None:
        await stores.add_keeper("default", "aws", False)  # noqa: FBT003  # not active

        assert await stores.transactions.run(lambda tx: tx.keepers.lock("default", "aws"))
        assert not await stores.transactions.run(lambda tx: tx.keepers.lock("default", "gcp"))
