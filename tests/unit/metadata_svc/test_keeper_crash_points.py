"""Dying at every call of a keeper's write: it happened whole or not at all."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from metadata_svc.domain.keeper import Keeper
from tests.contracts.metadata_svc.keeping import Keeping
from tests.fakes.metadata_svc.builders import NAMESPACE, a_keeper, a_keeper_draft
from tests.fakes.metadata_svc.fuse import BlownError, Fuse, FusedTransactions, Moment
from tests.fakes.metadata_svc.stores import FakeDatabase, fake_stores
from tests.fakes.metadata_svc.tables import Tables

LONGEST_WRITE = 20
DRAFT = a_keeper_draft(name="c")
Write = Callable[[Keeping], Awaitable[Keeper | None]]
# Each with how many changes it leaves.
WRITES: dict[str, tuple[Write, int]] = {
    "create": (lambda k: k.create(DRAFT), 1),
    "edit": (lambda k: k.edit(replace(DRAFT, name="a", description="x")), 1),
    "delete": (lambda k: k.delete("a"), 1),
    "activate another": (lambda k: k.activate("b"), 2),
    "activate the vault itself": (lambda k: k.activate("system"), 1),
}


def two_keepers() -> FakeDatabase:
    database = FakeDatabase()
    for keeper in (a_keeper(name="a", active=True), a_keeper(name="b")):
        database.tables.keepers[NAMESPACE, keeper.name] = keeper
    return database


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize(("write", "changes"), WRITES.values(), ids=WRITES)
async def test_a_write_that_dies_happened_whole_or_not_at_all(
    write: Write, changes: int, moment: Moment
) -> None:
    seen: list[Tables] = []
    for at in range(LONGEST_WRITE):
        database = two_keepers()
        before = database.tables
        stores = fake_stores(database)
        fused = FusedTransactions(stores.transactions, Fuse(at, moment))

        try:
            await write(Keeping(replace(stores, transactions=fused)))
        except BlownError:
            through = False
        else:
            through = True

        if database.tables is not before:
            seen.append(database.tables)
        if through:
            break

    # Whoever got through changed everything, and so did whoever died after the commit alone.
    assert len(seen) == (1 if moment is Moment.BEFORE else 2)
    assert all(len(tables.changes) == changes for tables in seen)
    assert all(tables.counters[NAMESPACE] == changes for tables in seen)
    assert all(sum(k.active for k in tables.keepers.values()) <= 1 for tables in seen)
