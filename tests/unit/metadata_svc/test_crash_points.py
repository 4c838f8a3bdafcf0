"""Dying at every call of a write: it happened whole or not at all, and asking again helps."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from chassis.errors import AlreadyExistsError, ConflictError, KnownError
from metadata_svc.domain.partial_edit import PartialEdit
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ValueKey, ValueState
from tests.contracts.metadata_svc.application import Application, described
from tests.contracts.metadata_svc.stores import Stores, key_of
from tests.fakes.metadata_svc.builders import NAMESPACE, a_draft
from tests.fakes.metadata_svc.fuse import BlownError, Fuse, FusedTransactions, Moment
from tests.fakes.metadata_svc.stores import FakeDatabase, fake_stores
from tests.fakes.metadata_svc.tables import Tables

DRAFT = a_draft()
A_PART = PartialEdit(namespace=NAMESPACE, name=DRAFT.name, add_decrypters=("added",))
LONGEST_WRITE = 20
Write = Callable[[Application], Awaitable[SecureValue]]


def fused(stores: Stores, fuse: Fuse) -> Application:
    return Application(
        replace(stores, transactions=FusedTransactions(stores.transactions, fuse))
    )


async def survive(write: Awaitable[SecureValue]) -> bool:
    """Whether the write got through to its end."""
    try:
        await write
    except BlownError:
        return False
    return True


async def is_answered(write: Awaitable[SecureValue], error: type[KnownError]) -> bool:
    """Whether the write was answered with this error; if not, it died or succeeded."""
    try:
        await write
    except error:
        return True
    except BlownError:
        return False
    return False


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("operation", Operation)
async def test_a_claim_that_dies_anywhere_is_finished_by_asking_again(
    operation: Operation, moment: Moment
) -> None:
    for at in range(LONGEST_WRITE):
        stores = fake_stores(FakeDatabase())
        application = Application(stores)
        if operation is Operation.UPDATE:
            await application.create()
        prepared = await application.prepare(DRAFT, operation=operation)
        fuse = Fuse(at, moment)

        through = await survive(fused(stores, fuse).claim(prepared.write, DRAFT))
        after = await application.claim(prepared.write, DRAFT)

        assert after.version == (1 if operation is Operation.CREATE else 2)
        assert await stores.reader.get(NAMESPACE, DRAFT.name) == after
        assert await stores.reader.resource_version(NAMESPACE) == after.version
        if through:
            return
    pytest.fail("the write never got through")


@pytest.mark.parametrize("moment", Moment)
async def test_a_claim_that_dies_anywhere_and_is_never_asked_again_leaves_no_orphan(
    moment: Moment,
) -> None:
    for at in range(LONGEST_WRITE):
        stores = fake_stores(FakeDatabase())
        application = Application(stores)
        before = await application.create()
        prepared = await application.prepare(DRAFT, operation=Operation.UPDATE)
        fuse = Fuse(at, moment)

        through = await survive(fused(stores, fuse).claim(prepared.write, DRAFT))
        key = ValueKey(NAMESPACE, prepared.write.value_id)
        states = dict(await application.values.refuse([key, key_of(before)]))

        live = await stores.reader.get(NAMESPACE, DRAFT.name)
        assert live is not None
        happened = live.value_id == key.value_id
        assert states == {
            key: ValueState.CLAIMED if happened else ValueState.REFUSED,
            key_of(before): ValueState.RELEASED if happened else ValueState.CLAIMED,
        }
        if through:
            return
    pytest.fail("the write never got through")


@pytest.mark.parametrize("moment", Moment)
async def test_a_claim_that_failed_and_died_before_it_said_so_is_all_that_may_happen_later(
    moment: Moment,
) -> None:
    """Its name was taken; then the name is free, and the same Claim arrives once more."""
    seen = set()
    for at in range(LONGEST_WRITE):
        stores = fake_stores(FakeDatabase())
        application = Application(stores)
        prepared = await application.prepare(DRAFT)
        await application.create()
        fuse = Fuse(at, moment)

        failing = fused(stores, fuse).claim(prepared.write, DRAFT)
        answered = await is_answered(failing, AlreadyExistsError)
        await application.delete(NAMESPACE, DRAFT.name)
        late = application.claim(prepared.write, DRAFT)
        barred = await is_answered(late, ConflictError)

        assert (await stores.reader.get(NAMESPACE, DRAFT.name) is None) == barred
        seen.add((answered, barred))
        if fuse.calls <= at:
            break

    # Only a death after the refusal's commit bars what nobody was told of.
    untold = {(False, True)} if moment is Moment.AFTER else set()
    assert seen == {(False, False), *untold, (True, True)}


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda a: a.edit(described(DRAFT, "x")), id="edit"),
        pytest.param(lambda a: a.edit_part(A_PART), id="edit a part"),
        pytest.param(lambda a: a.delete(NAMESPACE, DRAFT.name), id="delete"),
    ],
)
async def test_an_edit_or_delete_that_dies_happened_whole_or_not_at_all(
    write: Write, moment: Moment
) -> None:
    seen: list[Tables] = []
    for at in range(LONGEST_WRITE):
        database = FakeDatabase()
        stores = fake_stores(database)
        await Application(stores).create()
        before = database.tables

        through = await survive(write(fused(stores, Fuse(at, moment))))

        if database.tables is not before:
            seen.append(database.tables)
        if through:
            break

    # Whoever got through changed everything, and so did whoever died after the commit alone.
    assert len(seen) == (1 if moment is Moment.BEFORE else 2)
    assert all(len(tables.changes) == 2 for tables in seen)
    assert all(tables.counters[NAMESPACE] == 2 for tables in seen)
