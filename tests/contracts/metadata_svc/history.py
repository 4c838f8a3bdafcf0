"""The suite of ports.History."""

from datetime import timedelta

from metadata_svc.ports.history import Change, ChangeType
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import a_secure_value


class HistoryContract:
    async def test_the_counter_of_a_namespace_counts_from_one(self, stores: Stores) -> None:
        before = await stores.reader.resource_version("default")
        numbers = [
            await stores.transactions.run(lambda tx: tx.history.advance("default"))
            for _ in range(3)
        ]

        assert (before, numbers) == (0, [1, 2, 3])
        assert await stores.reader.resource_version("default") == 3

    async def test_namespaces_count_apart(self, stores: Stores) -> None:
        await stores.transactions.run(lambda tx: tx.history.advance("default"))

        assert await stores.transactions.run(lambda tx: tx.history.advance("other")) == 1

    async def test_old_changes_are_trimmed_a_few_at_a_time(self, stores: Stores) -> None:
        await stores.transactions.run(_append_three)

        trimmed = [
            await stores.transactions.run(
                lambda tx: tx.history.trim(minimum_age=timedelta(0), limit=2)
            )
            for _ in range(3)
        ]

        assert trimmed == [2, 1, 0]

    async def test_young_changes_stay(self, stores: Stores) -> None:
        await stores.transactions.run(_append_three)

        assert (
            await stores.transactions.run(
                lambda tx: tx.history.trim(minimum_age=timedelta(hours=1), limit=10)
            )
            == 0
        )


async def _append_three(tx: Transaction) -> None:
    live = a_secure_value()
    steps = (
        (ChangeType.ADDED, None),
        (ChangeType.MODIFIED, live),
        (ChangeType.DELETED, live),
    )
    for kind, previous in steps:
        await tx.history.append(
            Change(
                type=kind,
                resource_version=await tx.history.advance(live.namespace),
                resource=live,
                previous=previous,
            )
        )
