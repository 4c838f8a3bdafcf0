"""What the use cases of keepers promise, in memory; and who may do what with them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.caller import Caller
from chassis.errors import InvalidArgumentError, PermissionDeniedError
from metadata_svc.domain.partial_edit import PartialEdit
from tests.contracts.metadata_svc.keeper_writes import KeeperWritesContract
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import (
    ManualClock,
    a_caller,
    a_caller_granted,
    a_keeper_draft,
)

DRAFT = a_keeper_draft()
HOUR = timedelta(hours=1)
A_PART = PartialEdit(namespace=DRAFT.namespace, name="a", description="changed")
Ask = Callable[[Keeping, Caller], Awaitable[object]]
ASKS: dict[str, tuple[str, Ask]] = {
    "create": ("create", lambda k, c: k.create(replace(DRAFT, name="b"), caller=c)),
    "get": ("read", lambda k, c: k.get("a", caller=c)),
    "get to update": (
        "write",
        lambda k, c: k.get("a", to_update=True, identity_suffices=True, caller=c),
    ),
    "edit a part": ("write", lambda k, c: k.edit_part(A_PART, caller=c)),
    "edit": ("write", lambda k, c: k.edit(replace(DRAFT, name="a"), caller=c)),
    "activate": ("write", lambda k, c: k.activate("a", caller=c)),
    "delete": ("delete", lambda k, c: k.delete("a", caller=c)),
}
VERBS = ("create", "read", "write", "delete")


@pytest.fixture
def keeping(stores: Stores, clock: ManualClock) -> Keeping:
    return Keeping(stores, clock=clock)


class TestKeeperWrites(KeeperWritesContract):
    pass


@pytest.mark.parametrize(("verb", "ask"), ASKS.values(), ids=ASKS)
async def test_every_call_needs_its_own_right_and_no_other(
    keeping: Keeping, verb: str, ask: Ask
) -> None:
    await keeping.create(replace(DRAFT, name="a"))
    others = [(f"secret.keepers:{v}", "secret.keepers:*") for v in VERBS if v != verb]
    values = [(f"secret.securevalues:{v}", "secret.securevalues:*") for v in VERBS]

    for caller in (
        a_caller_granted(*others, *values),
        a_caller_granted((f"secret.keepers:{verb}", "secret.keepers:uid:other")),
        a_caller_granted((f"secret.keepers:{verb}", "secret.securevalues:*")),
        a_caller(namespace="elsewhere"),
        a_caller(service_identities=("k6-cloud",)),
    ):
        with pytest.raises(PermissionDeniedError):
            await ask(keeping, caller)
    await ask(keeping, a_caller_granted((f"secret.keepers:{verb}", "secret.keepers:*")))


async def test_a_right_on_one_name_is_enough_for_it(keeping: Keeping) -> None:
    await keeping.create(replace(DRAFT, name="a"))
    caller = a_caller_granted(("secret.keepers:write", "secret.keepers:uid:a"))

    assert await keeping.activate("a", caller=caller) is not None


async def test_the_vault_itself_is_activated_with_the_right_to_write_every_keeper(
    keeping: Keeping,
) -> None:
    scoped = a_caller_granted(
        ("secret.keepers:write", "secret.keepers:uid:system"),
        ("secret.keepers:write", "secret.keepers:uid:a"),
    )

    for dry_run in (False, True):
        with pytest.raises(PermissionDeniedError):
            await keeping.activate("system", caller=scoped, dry_run=dry_run)
    whole = a_caller_granted(("secret.keepers:write", "secret.keepers:*"))
    assert await keeping.activate("system", caller=whole) is None


async def test_a_name_to_be_chosen_needs_the_right_to_every_name(keeping: Keeping) -> None:
    draft = replace(DRAFT, name="", generate_name="kp-")
    caller = a_caller_granted(("secret.keepers:create", "secret.keepers:uid:kp-"))

    with pytest.raises(PermissionDeniedError):
        await keeping.create(draft, caller=caller)


async def test_who_may_write_but_not_read_is_told_so(keeping: Keeping) -> None:
    await keeping.create(replace(DRAFT, name="a"))
    writer = a_caller_granted(("secret.keepers:write", "secret.keepers:*"))

    found = await keeping.get("a", to_update=True, identity_suffices=True, caller=writer)

    assert not found.readable
    with pytest.raises(PermissionDeniedError, match=r"secret\.keepers:read is not granted"):
        await keeping.get("a", to_update=True, caller=writer)
    assert (await keeping.get("a", to_update=True)).readable
    assert (await keeping.get("a")).readable


@pytest.mark.parametrize("name", ["*", "", "a/b", "A"])
async def test_what_cannot_be_a_name_is_invalid(keeping: Keeping, name: str) -> None:
    for ask in (keeping.get, keeping.delete, keeping.activate):
        with pytest.raises(InvalidArgumentError):
            await ask(name)


async def test_a_bad_draft_is_invalid_before_anything_is_looked_up(keeping: Keeping) -> None:
    bad = replace(DRAFT, aws=None, providers=("gcp",))

    with pytest.raises(InvalidArgumentError) as creating:
        await keeping.create(bad)
    with pytest.raises(InvalidArgumentError) as editing:
        await keeping.edit(bad)
    fields = [[v.field for v in e.value.violations] for e in (creating, editing)]
    assert fields == [["spec.gcp"], ["spec.gcp"]]


async def test_who_writes_and_when_is_recorded(keeping: Keeping, clock: ManualClock) -> None:
    robot = a_caller(subject="service-account:s1")
    created = await keeping.create()
    clock.advance(HOUR)
    edited = await keeping.edit(replace(DRAFT, description="x"), caller=robot)
    clock.advance(HOUR)
    active = await keeping.activate(DRAFT.name)

    assert active is not None
    assert (edited.created_by, edited.created_at) == ("user:u1", created.created_at)
    assert (edited.updated_by, edited.updated_at) == (
        "service-account:s1",
        created.created_at + HOUR,
    )
    assert (active.updated_by, active.updated_at) == ("user:u1", edited.updated_at + HOUR)
