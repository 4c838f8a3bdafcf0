"""An edit of a part: what it makes, its rules, and that a blind one tells nothing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metadata_svc.domain.partial_edit import (
    PartialEdit,
    _decrypters_after,
)
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.partial_edits import PartialEditsContract
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    ManualClock,
    a_caller_granted,
    a_draft,
    a_keeper_draft,
)

DRAFT = a_draft(decrypters=("a", "b"), labels={"x": "1", "y": "2"})
BLIND = a_caller_granted(("secret.securevalues:write", "secret.securevalues:*"))
BLIND_KEEPER = a_caller_granted(("secret.keepers:write", "secret.keepers:*"))


def an_edit(**parts: Any) -> PartialEdit:
    return PartialEdit(namespace=NAMESPACE, name=DRAFT.name, **parts)


class TestPartialEdits(PartialEditsContract):
    pass


async def test_a_blind_write_is_one_though_nothing_differs(
    stores: Stores, clock: ManualClock
) -> None:
    application, keeping = Application(stores, clock=clock), Keeping(stores, clock=clock)
    await application.create(DRAFT)
    keeper = a_keeper_draft()
    await keeping.create(keeper)
    part = PartialEdit(namespace=NAMESPACE, name=keeper.name)

    numbers = [
        (await application.edit_part(an_edit(), caller=BLIND)).resource_version,
        (await application.edit(DRAFT, caller=BLIND)).resource_version,
        (await keeping.edit_part(part, caller=BLIND_KEEPER)).resource_version,
        (await keeping.edit(keeper, caller=BLIND_KEEPER)).resource_version,
    ]
    for _ in range(2):
        active = await keeping.activate(keeper.name, caller=BLIND_KEEPER)
        assert active is not None
        numbers.append(active.resource_version)

    assert numbers == [3, 4, 5, 6, 7, 8]
    assert (await application.get(DRAFT.name)).generation == 1


NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(before=NAMES, added=NAMES, removed=NAMES)
async def test_additions_and_removals_are_what_sets_would_make(
    before: list[str], added: list[str], removed: list[str]
) -> None:
    gone = set(removed) - set(added)
    edit = an_edit(add_decrypters=tuple(added), remove_decrypters=frozenset(gone))

    after = _decrypters_after(tuple(before), edit)

    assert set(after) == (set(before) - gone) | set(added)
    assert len(after) == len(set(after))
    assert [n for n in after if n in before] == [n for n in before if n in after]
