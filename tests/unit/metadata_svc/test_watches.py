"""What watches promise, in memory; and the waking of those who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from metadata_svc.domain.event import EventType, event_type
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.changes import ChangesQuery, Past
from metadata_svc.use_cases.commits import Commits
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores
from tests.contracts.metadata_svc.watches import WatchesContract
from tests.contracts.metadata_svc.watching import Watching
from tests.fakes.metadata_svc.builders import NAMESPACE, ManualClock


@pytest.fixture
def keeping(stores: Stores, clock: ManualClock) -> Keeping:
    return Keeping(stores, clock=clock)


class TestWatches(WatchesContract):
    pass


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (False, True, EventType.ADDED),
        (True, True, EventType.MODIFIED),
        (True, False, EventType.DELETED),
        (False, False, None),
    ],
)
def test_a_change_is_what_it_is_to_the_selection(
    before: bool,  # noqa: FBT001  # a row of the table
    after: bool,  # noqa: FBT001  # a row of the table
    expected: EventType | None,
) -> None:
    assert event_type(selected_before=before, selected_after=after) is expected


class CountedCounters:
    """See ports.Counters."""

    def __init__(self, **counters: int) -> None:
        self.now = counters
        self.asked: list[list[str]] = []

    async def counters(self, namespaces: Sequence[str]) -> dict[str, int]:
        self.asked.append(list(namespaces))
        return {namespace: self.now.get(namespace, 0) for namespace in namespaces}


async def test_an_announced_write_wakes_those_of_its_namespace_alone() -> None:
    commits = Commits()
    with commits.of("a") as here, commits.of("a") as beside, commits.of("b") as elsewhere:
        events = [w.next_write for w in (here, beside, elsewhere)]
        commits.announce({"a", "nobody"})

        assert [event.is_set() for event in events] == [True, True, False]
        assert not here.next_write.is_set()


async def test_a_poll_asks_once_for_all_and_wakes_those_whose_counter_moved() -> None:
    commits, counters = Commits(), CountedCounters(a=1, b=1)
    with commits.of("b") as b, commits.of("a") as a, commits.of("a"):
        await commits.poll(counters)
        events = [a.next_write, b.next_write]
        counters.now["a"] = 2
        await commits.poll(counters)

        assert [event.is_set() for event in events] == [True, False]
    assert counters.asked == [["a", "b"]] * 2


async def test_nothing_is_polled_for_nobody() -> None:
    commits, counters = Commits(), CountedCounters()
    with commits.of("a"), commits.of("a"):
        assert commits.watchers == 2
    await commits.poll(counters)

    assert (commits.watchers, counters.asked) == (0, [])


async def test_who_comes_first_to_a_namespace_is_woken_by_the_first_poll() -> None:
    """It may have read before a write that another replica's counter already has."""
    commits, counters = Commits(), CountedCounters(a=7)
    with commits.of("a") as waiting:
        event = waiting.next_write
        await commits.poll(counters)
        assert event.is_set()


class WritesBehind:
    """The history; a write comes as soon as it was read for the first time."""

    def __init__(self, stores: Stores) -> None:
        self._changes = stores.secure_value_changes
        self.write: Callable[[], Awaitable[None]] | None = None

    async def after(self, query: ChangesQuery) -> Past[SecureValue]:
        past = await self._changes.after(query)
        write, self.write = self.write, None
        if write is not None:
            await write()
        return past


async def test_a_write_right_after_the_history_was_read_is_not_missed(
    stores: Stores, application: Application
) -> None:
    changes = WritesBehind(stores)
    watching = Watching(stores, changes=changes, bookmark_seconds=60)

    async def write() -> None:
        await application.create()
        watching.commits.announce([NAMESPACE])

    async with watching.watcher() as watcher:
        assert (await watcher.next()).type is EventType.BOOKMARK
        changes.write = write
        assert (await watcher.next()).resource_version == 1


async def test_a_woken_watch_that_finds_nothing_waits_again(
    stores: Stores, application: Application
) -> None:
    watching = Watching(stores, bookmark_seconds=60)
    async with watching.watcher() as watcher:
        assert (await watcher.next()).type is EventType.BOOKMARK
        pending = asyncio.ensure_future(watcher.next())
        for _ in range(3):
            await asyncio.sleep(0)
            watching.commits.announce([NAMESPACE])
        assert not pending.done()
        await application.create()
        watching.commits.announce([NAMESPACE])
        assert (await pending).resource_version == 1
