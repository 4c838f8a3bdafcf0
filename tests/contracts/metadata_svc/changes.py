"""The suite of ports.Changes, for secure values, and of ports.Counters."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from metadata_svc.domain.access import Scope
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.changes import ChangesQuery, Entry, PastChange
from metadata_svc.ports.history import Change, ChangeType
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import NAMESPACE, a_secure_value

EVERYTHING = Scope(everything=True)
CREATED = a_secure_value(name="a", labels={"team": "x"}, decrypters=("sm",))
EDITED = replace(CREATED, labels={"team": "y"}, decrypters=("k6",), description="edited")
OTHER = a_secure_value(name="b")


def a_query(**changes: Any) -> ChangesQuery:
    query = ChangesQuery(namespace=NAMESPACE, scope=EVERYTHING, after=0, limit=10)
    return replace(query, **changes)


async def record(
    stores: Stores, kind: ChangeType, after: SecureValue, before: SecureValue | None
) -> None:
    async def work(tx: Transaction) -> None:
        number = await tx.history.advance(after.namespace)
        await tx.history.append(
            Change(type=kind, resource_version=number, resource=after, previous=before)
        )

    await stores.transactions.run(work)


async def record_all(stores: Stores) -> None:
    await record(stores, ChangeType.ADDED, CREATED, None)
    await record(stores, ChangeType.ADDED, OTHER, None)
    await record(stores, ChangeType.MODIFIED, EDITED, CREATED)
    await record(stores, ChangeType.DELETED, EDITED, EDITED)


ENTRIES = (
    Entry(1, PastChange(type=ChangeType.ADDED, after=CREATED, before=None)),
    Entry(2, PastChange(type=ChangeType.ADDED, after=OTHER, before=None)),
    Entry(
        3,
        PastChange(
            type=ChangeType.MODIFIED,
            after=EDITED,
            before=replace(EDITED, labels=CREATED.labels, decrypters=CREATED.decrypters),
        ),
    ),
    Entry(4, PastChange(type=ChangeType.DELETED, after=EDITED, before=EDITED)),
)


class ChangesContract:
    async def test_changes_come_in_the_order_of_numbers(self, stores: Stores) -> None:
        await record_all(stores)

        past = await stores.secure_value_changes.after(a_query())

        assert (past.entries, past.resource_version) == (ENTRIES, 4)

    async def test_what_is_asked_for_starts_after_a_number_and_is_bounded(
        self, stores: Stores
    ) -> None:
        await record_all(stores)
        changes = stores.secure_value_changes

        assert (await changes.after(a_query(after=1, limit=2))).entries == ENTRIES[1:3]
        assert (await changes.after(a_query(after=4))).entries == ()
        assert (await changes.after(a_query(after=9))).resource_version == 4

    async def test_a_name_outside_the_scope_is_a_number_only(self, stores: Stores) -> None:
        await record_all(stores)
        query = a_query(scope=Scope(names=frozenset({"b"})))

        past = await stores.secure_value_changes.after(query)

        assert past.entries == (Entry(1, None), ENTRIES[1], Entry(3, None), Entry(4, None))

    async def test_namespaces_have_their_own_histories(self, stores: Stores) -> None:
        await record_all(stores)
        past = await stores.secure_value_changes.after(a_query(namespace="other"))

        assert (past.entries, past.resource_version) == ((), 0)

    async def test_what_is_trimmed_is_not_there_and_the_counter_stays(
        self, stores: Stores
    ) -> None:
        await record_all(stores)
        await stores.transactions.run(
            lambda tx: tx.history.trim(minimum_age=timedelta(0), limit=2)
        )

        past = await stores.secure_value_changes.after(a_query())

        assert (past.entries, past.resource_version) == (ENTRIES[2:], 4)

    async def test_large_changes_are_answered_a_few_at_a_time(self, stores: Stores) -> None:
        heavy = a_secure_value(annotations={"example.com/heavy": "x" * 250_000})
        for _ in range(12):
            await record(stores, ChangeType.MODIFIED, heavy, heavy)

        met: list[int] = []
        while len(met) < 12:
            query = a_query(after=met[-1] if met else 0, limit=100)
            past = await stores.secure_value_changes.after(query)
            assert len(past.entries) >= 1
            met += [entry.resource_version for entry in past.entries]

        assert met == list(range(1, 13))

    async def test_counters_are_told_together(self, stores: Stores) -> None:
        await record(stores, ChangeType.ADDED, CREATED, None)
        await record(stores, ChangeType.ADDED, OTHER, None)

        counters = await stores.counters.counters([NAMESPACE, "never"])

        assert counters == {NAMESPACE: 2, "never": 0}
        assert await stores.counters.counters([]) == {}
