"""How many watches one subject has, whoever else watches."""

from contextlib import ExitStack

import pytest

from chassis.caller import Caller
from chassis.errors import PermissionDeniedError, ResourceExhaustedError
from metadata_svc.use_cases.watch_shares import WatchShares
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.contracts.metadata_svc.watching import Watching
from tests.fakes.metadata_svc.builders import a_caller

ONE = a_caller(subject="user:one")


def watching(stores: Stores, per_subject: int) -> Watching:
    return Watching(stores, shares=WatchShares(per_subject))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (a_caller(subject="user:one", token_id="t2", roles=frozenset()), True),
        (a_caller(subject="user:one", namespace="elsewhere"), True),
        (a_caller(subject="user:two"), False),
        (a_caller(subject="user:one", issuer="https://other.invalid"), False),
    ],
)
def test_a_share_is_of_a_subject_of_an_issuer_whatever_its_token(
    other: Caller,
    same: bool,  # noqa: FBT001  # a row of the table
) -> None:
    shares = WatchShares(1)
    with shares.of(ONE), ExitStack() as stack:
        if same:
            with pytest.raises(ResourceExhaustedError):
                stack.enter_context(shares.of(other))
        else:
            stack.enter_context(shares.of(other))


def test_who_was_refused_has_taken_no_place() -> None:
    shares = WatchShares(2)
    with shares.of(ONE):
        with shares.of(ONE):
            for _ in range(3):
                with pytest.raises(ResourceExhaustedError), shares.of(ONE):
                    pass
        with shares.of(ONE):
            pass


def test_a_place_is_free_again_however_the_watch_ended() -> None:
    shares = WatchShares(1)
    for _ in range(2):
        with pytest.raises(LookupError), shares.of(ONE):
            raise LookupError
    with shares.of(ONE):
        pass


async def test_one_subject_takes_its_share_and_others_watch_on(
    stores: Stores, application: Application
) -> None:
    await application.create()
    watches = watching(stores, 2)

    async with watches.watcher(caller=ONE) as first, watches.watcher(caller=ONE) as second:
        assert [(await each.next()).resource_version for each in (first, second)] == [1, 1]
        async with watches.watcher(caller=ONE) as third:
            with pytest.raises(ResourceExhaustedError, match="too many watches"):
                await third.next()
        async with watches.watcher(caller=a_caller(subject="user:two")) as other:
            assert (await other.next()).resource_version == 1
        assert watches.commits.watchers == 2

    async with watches.watcher(caller=ONE) as again:
        assert (await again.next()).resource_version == 1


async def test_the_watches_of_both_kinds_are_of_one_share(stores: Stores) -> None:
    watches = watching(stores, 1)

    async with watches.watcher(caller=ONE) as values:
        await values.next()
        async with watches.watcher(caller=ONE, watches=watches.keepers) as keepers:
            with pytest.raises(ResourceExhaustedError):
                await keepers.next()


async def test_who_may_not_watch_learns_nothing_of_the_share(stores: Stores) -> None:
    watches = watching(stores, 1)

    async with watches.watcher(caller=ONE) as watcher:
        await watcher.next()
        nobody = a_caller(subject="user:one", roles=frozenset())
        async with watches.watcher(caller=nobody) as refused:
            with pytest.raises(PermissionDeniedError):
                await refused.next()
