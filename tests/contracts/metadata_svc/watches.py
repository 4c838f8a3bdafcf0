"""What a watch promises, on any stores."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chassis.caller import Caller
from chassis.errors import (
    ExpiredError,
    InvalidArgumentError,
    KnownError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from metadata_svc.domain.event import Event, EventType
from metadata_svc.domain.resource import Kind
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.selector import matches, selectable
from metadata_svc.ports.changes import ChangesQuery, Past
from metadata_svc.ports.reader import PageQuery
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.pages import EVERYTHING, parsed
from tests.contracts.metadata_svc.stores import Stores
from tests.contracts.metadata_svc.watching import Watching
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    a_caller,
    a_caller_granted,
    a_draft,
    a_keeper_draft,
)

NAMES = ("a", "b", "c", "d", "e", "f")
SELECTORS = ("", "team=x", "team!=x", "decrypter=sm", "team,decrypter!=sm", "name=c")
NOW = timedelta(0)


class CountingChanges:
    """Counts how often the history is read."""

    def __init__(self, changes: Any) -> None:
        self._changes, self.reads = changes, 0

    async def after(self, query: ChangesQuery) -> Past[SecureValue]:
        self.reads += 1
        past: Past[SecureValue] = await self._changes.after(query)
        return past


class WatchesContract:
    @pytest.fixture
    def watching(self, stores: Stores) -> Watching:
        return Watching(stores)

    async def test_writes_are_told_in_the_order_of_numbers(
        self, watching: Watching, application: Application
    ) -> None:
        created = await application.create()
        edited = await application.edit(a_draft(description="edited"))
        updated = await application.update(a_draft(description="updated"))
        await application.delete(NAMESPACE, created.name)

        async with watching.watcher() as watcher:
            events = [await watcher.next() for _ in range(4)]

        assert events == [
            Event(type=EventType.ADDED, resource_version=1, item=created),
            Event(type=EventType.MODIFIED, resource_version=2, item=edited),
            Event(type=EventType.MODIFIED, resource_version=3, item=updated),
            Event(
                type=EventType.DELETED,
                resource_version=4,
                item=replace(updated, resource_version=4),
            ),
        ]

    async def test_a_watch_goes_on_from_a_number(
        self, watching: Watching, application: Application
    ) -> None:
        await application.create()
        edited = await application.edit(a_draft(description="edited"))

        async with watching.watcher(after=1) as watcher:
            watcher.known[edited.name] = replace(edited, resource_version=1)
            assert (await watcher.next()).item == edited

    async def test_a_write_is_told_to_those_who_wait(
        self, watching: Watching, application: Application
    ) -> None:
        async with watching.polled(), watching.watcher() as watcher:
            assert (await watcher.next()).type is EventType.BOOKMARK
            await application.create()

            assert await watcher.up_to(1) == [("ADDED", "pg-main", 1)]

    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            pytest.param("team=x", "ADDED 2 MODIFIED 3 DELETED 4", id="a label"),
            pytest.param("team!=x", "ADDED 1 DELETED 2 ADDED 4 MODIFIED 5", id="no label"),
            pytest.param("decrypter=k6", "ADDED 3 MODIFIED 4 DELETED 5", id="a decrypter"),
            pytest.param("team=x,decrypter=k6", "ADDED 3 DELETED 4", id="both"),
            pytest.param("name=other", "", id="another name"),
        ],
    )
    async def test_who_enters_a_selection_is_added_and_who_leaves_it_deleted(
        self, watching: Watching, application: Application, selector: str, expected: str
    ) -> None:
        plain = a_draft(labels={}, decrypters=())
        await application.create(plain)
        await application.edit(replace(plain, labels={"team": "x"}))
        await application.edit(replace(plain, labels={"team": "x"}, decrypters=("k6",)))
        await application.edit(replace(plain, labels={"team": "y"}, decrypters=("k6",)))
        await application.edit(replace(plain, labels={"team": "y"}))

        async with watching.watcher(parsed(selector)) as watcher:
            told = await watcher.up_to(5)

        assert [f"{kind} {number}" for kind, _, number in told] == [
            " ".join(pair) for pair in zip(*[iter(expected.split())] * 2, strict=True)
        ]
        assert all(
            matches(parsed(selector), selectable(event.item))
            for event in watcher.told
            if event.item is not None
        )

    async def test_what_there_is_comes_first_if_asked_for(
        self, watching: Watching, application: Application
    ) -> None:
        made = [await application.create(a_draft(name=name)) for name in ("c", "a", "b")]

        async with watching.watcher(initial=True) as watcher:
            events = [await watcher.next() for _ in range(4)]
            await application.delete(NAMESPACE, "b")
            later = await watcher.up_to(4)

        assert [e.item for e in events] == [*sorted(made, key=lambda s: s.name), None]
        assert [(e.type, e.initial_end) for e in events] == [
            *[(EventType.ADDED, False)] * 3,
            (EventType.BOOKMARK, True),
        ]
        assert {e.resource_version for e in events} == {3}
        assert later == [("DELETED", "b", 4)]

    async def test_nothing_there_is_told_to_be_nothing(self, watching: Watching) -> None:
        async with watching.watcher(initial=True) as watcher:
            event = await watcher.next()

        assert event == Event(type=EventType.BOOKMARK, resource_version=0, initial_end=True)

    async def test_writes_between_two_pages_are_told_once_and_in_order(
        self, watching: Watching, application: Application
    ) -> None:
        for name in NAMES:
            await application.create(a_draft(name=name))

        async with watching.watcher(initial=True) as watcher:
            listed = [await watcher.next() for _ in range(2)]  # "a" and "b"
            await application.edit(a_draft(name="a", description="listed before"))
            await application.edit(a_draft(name="e", description="still to be listed"))
            await application.delete(NAMESPACE, "f")
            await application.create(a_draft(name="bb"))
            await application.delete(NAMESPACE, "b")
            await application.create(a_draft(name="b"))
            while not (await watcher.next()).initial_end:
                pass

        assert [e.item.name for e in listed if e.item] == ["a", "b"]
        assert [
            (e.type.value, e.item.name, e.resource_version) for e in watcher.told[2:] if e.item
        ] == [
            ("MODIFIED", "a", 7),
            ("DELETED", "b", 11),
            ("ADDED", "b", 12),
            ("ADDED", "bb", 12),
            ("ADDED", "c", 12),
            ("ADDED", "d", 12),
            ("ADDED", "e", 12),
        ]

    async def test_a_watch_with_nothing_to_tell_says_so_once_and_at_once(
        self, stores: Stores, application: Application
    ) -> None:
        watching = Watching(stores, bookmark_seconds=60)
        await application.create(a_draft(labels={"team": "y"}))

        async with (
            watching.polled(),
            watching.watcher(after=1) as from_now,
            watching.watcher(parsed("team=x")) as unselected,
        ):
            accepted: Event[SecureValue]
            accepted = Event(type=EventType.BOOKMARK, resource_version=1)
            for watcher in (from_now, unselected):
                assert await watcher.next() == accepted
            waiting = asyncio.ensure_future(from_now.next())
            await application.create(a_draft(name="b"))
            assert (await waiting).type is EventType.ADDED

    async def test_a_watch_that_cannot_go_on_says_nothing_before(
        self, stores: Stores, application: Application
    ) -> None:
        watching = Watching(stores, bookmark_seconds=0)
        for name in ("a", "b"):
            await application.create(a_draft(name=name))
        await application.history.trim()

        for after in (1, 3):
            async with watching.watcher(after=after) as watcher:
                with pytest.raises(ExpiredError):
                    await watcher.next()

    async def test_a_bookmark_tells_of_writes_that_are_not_selected(
        self, watching: Watching, application: Application, keeping: Keeping
    ) -> None:
        await application.create(a_draft(labels={"team": "y"}))
        await keeping.create()

        async with watching.watcher(parsed("team=x")) as watcher:
            assert await watcher.up_to(2) == []
        assert watching.telemetry.sent == {(Kind.SECURE_VALUE, EventType.BOOKMARK): 1}

    async def test_a_caller_hears_of_what_it_may_read_only(
        self, watching: Watching, application: Application
    ) -> None:
        for name in NAMES:
            await application.create(a_draft(name=name))
        one = a_caller_granted(("secret.securevalues:read", "secret.securevalues:uid:c"))

        async with watching.watcher(caller=one) as watcher:
            from_history = await watcher.up_to(6)
        async with watching.watcher(caller=one, initial=True) as watcher:
            from_pages = await watcher.up_to(6)

        assert (from_history, from_pages) == ([("ADDED", "c", 3)], [("ADDED", "c", 6)])

    async def test_keepers_are_watched_apart(
        self, watching: Watching, application: Application, keeping: Keeping
    ) -> None:
        await application.create()
        keeper = await keeping.create(a_keeper_draft(labels={"team": "x"}))
        await keeping.activate(keeper.name)
        await keeping.activate("system")
        await keeping.delete(keeper.name)
        selector = parsed("team=x")

        async with watching.watcher(selector, watches=watching.keepers) as watcher:
            told = await watcher.up_to(5)

        assert told == [
            ("ADDED", keeper.name, 2),
            ("MODIFIED", keeper.name, 3),
            ("MODIFIED", keeper.name, 4),
            ("DELETED", keeper.name, 5),
        ]
        items = [event.item for event in watcher.told if event.item]
        assert [item.active for item in items] == [False, True, False, False]

    async def test_what_keepers_there_are_comes_first_if_asked_for(
        self, watching: Watching, keeping: Keeping
    ) -> None:
        made = [await keeping.create(a_keeper_draft(name=n)) for n in ("k3", "k1", "k2")]

        async with watching.watcher(watches=watching.keepers, initial=True) as watcher:
            events = [await watcher.next() for _ in range(4)]

        assert [e.item for e in events] == [*sorted(made, key=lambda k: k.name), None]

    @pytest.mark.parametrize("initial", [True, False])
    async def test_a_trimmed_history_is_expired(
        self, watching: Watching, application: Application, *, initial: bool
    ) -> None:
        for name in NAMES:
            await application.create(a_draft(name=name))
        await application.history.trim()

        if not initial:
            async with watching.watcher(after=2) as watcher:
                with pytest.raises(ExpiredError):
                    await watcher.next()
        async with watching.watcher(after=6, initial=initial) as watcher:
            assert await watcher.up_to(6) == (
                [("ADDED", name, 6) for name in NAMES] if initial else []
            )

    async def test_a_watch_whose_place_is_trimmed_is_expired(
        self, watching: Watching, application: Application
    ) -> None:
        for name in NAMES:
            await application.create(a_draft(name=name))

        async with watching.watcher() as slow, watching.watcher(initial=True) as listing:
            await slow.next()
            await listing.next()
            await application.create(a_draft(name="g"))
            await application.history.trim()

            await slow.next()  # was read before
            with pytest.raises(ExpiredError):
                await slow.next()
            await listing.next()  # of the same page
            with pytest.raises(ExpiredError):
                await listing.next()

    @pytest.mark.parametrize("initial", [True, False])
    async def test_a_number_that_the_namespace_never_reached_is_expired(
        self, watching: Watching, application: Application, *, initial: bool
    ) -> None:
        await application.create()

        async with watching.watcher(after=2, initial=initial) as watcher:
            with pytest.raises(ExpiredError):
                await watcher.next()

    async def test_a_namespace_that_was_never_written_to_is_watched_from_its_start(
        self, watching: Watching, application: Application
    ) -> None:
        async with watching.watcher() as watcher:
            assert (await watcher.next()).resource_version == 0
            await application.create()
            assert await watcher.up_to(1) == [("ADDED", "pg-main", 1)]

    async def test_a_token_that_is_no_longer_accepted_ends_the_watch(
        self, watching: Watching, application: Application
    ) -> None:
        accepted = True

        async def caller_now() -> Caller:
            if not accepted:
                raise UnauthenticatedError
            return a_caller()

        async with (
            watching.watcher(caller=caller_now) as busy,
            watching.watcher(caller=caller_now, after=0) as idle,
        ):
            await idle.next()
            await application.create(a_draft(name="a"))
            await application.create(a_draft(name="b"))
            assert (await busy.next()).item is not None
            accepted = False

            for watcher in (busy, idle):
                with pytest.raises(UnauthenticatedError):
                    await watcher.next()

    async def test_a_right_that_is_gone_ends_what_it_covered(
        self, watching: Watching, application: Application
    ) -> None:
        every = a_caller_granted(("secret.securevalues:read", "secret.securevalues:*"))
        one = a_caller_granted(("secret.securevalues:read", "secret.securevalues:uid:c"))
        none = a_caller_granted(("secret.securevalues:write", "secret.securevalues:*"))
        rights = [every]

        async def caller_now() -> Caller:
            return rights[-1]

        for name in NAMES[:4]:
            await application.create(a_draft(name=name))
        async with watching.watcher(caller=caller_now) as watcher:
            assert (await watcher.next()).resource_version == 1
            rights.append(one)
            assert (await watcher.next()).resource_version == 3
            rights.append(none)
            with pytest.raises(PermissionDeniedError):
                await watcher.next()

    @pytest.mark.parametrize(
        ("request_", "error"),
        [
            ({"after": -1}, InvalidArgumentError),
            ({"selector": parsed("Not/a/key=x")}, InvalidArgumentError),
            ({"caller": a_caller(namespace="other")}, PermissionDeniedError),
            ({"caller": a_caller(service_identities=("k6",))}, PermissionDeniedError),
        ],
    )
    async def test_a_watch_that_cannot_be_is_refused(
        self, watching: Watching, request_: dict[str, Any], error: type[Exception]
    ) -> None:
        async with watching.watcher(**request_) as watcher:
            with pytest.raises(error):
                await watcher.next()
        assert watching.commits.watchers == 0

    async def test_keepers_have_no_field_but_their_name(self, watching: Watching) -> None:
        for selector in ("decrypter=sm", "keeper=aws"):
            async with watching.watcher(parsed(selector), watches=watching.keepers) as watcher:
                with pytest.raises(InvalidArgumentError) as error:
                    await watcher.next()
            (violation,) = error.value.violations
            assert violation.field == "fieldSelector"

    async def test_who_does_not_read_has_nothing_read_for_it(
        self, stores: Stores, application: Application
    ) -> None:
        counting = CountingChanges(stores.secure_value_changes)
        watching = Watching(stores, changes=counting)
        async with watching.polled(), watching.watcher() as watcher:
            for number in range(50):
                await application.create(a_draft(name=f"n{number}"))
            await watcher.next()
            for number in range(50):
                await application.delete(NAMESPACE, f"n{number}")

            assert counting.reads == 1
            assert len(await watcher.up_to(100)) == 99

    @pytest.mark.parametrize("seed", range(4))
    async def test_whoever_believes_every_event_ends_up_with_what_there_is(
        self, stores: Stores, application: Application, seed: int
    ) -> None:
        watching = Watching(stores)
        writers = [
            asyncio.ensure_future(_write(application, random.Random(f"{seed} {n}"), 25))
            for n in range(3)
        ]
        watchers = [
            asyncio.ensure_future(_believe(watching, selector, writers, initial=initial))
            for selector in SELECTORS
            for initial in (True, False)
        ]
        async with watching.polled():
            await asyncio.gather(*writers, *watchers)
        assert watching.commits.watchers == 0


async def _write(application: Application, choice: random.Random, count: int) -> None:
    """Creates, edits and deletes; what another writer made impossible is let go."""
    for _ in range(count):
        draft = a_draft(
            name=choice.choice(NAMES),
            description=f"{choice.random()}",
            labels=choice.choice([{}, {"team": "x"}, {"team": "y"}]),
            decrypters=choice.choice([(), ("sm",), ("k6", "sm")]),
        )
        does: Callable[[], Awaitable[object]] = choice.choice(
            [
                lambda draft=draft: application.create(draft),
                lambda draft=draft: application.edit(draft),
                lambda draft=draft: application.edit(draft),
                lambda draft=draft: application.delete(NAMESPACE, draft.name),
            ]
        )
        try:
            await does()
        except KnownError:
            await asyncio.sleep(0)


async def _believe(
    watching: Watching, text: str, writers: Sequence[asyncio.Future[None]], *, initial: bool
) -> None:
    """Lists and watches, or watches from what there is; knows in the end what there is."""
    selector, pages = parsed(text), watching.stores.secure_value_pages
    whole = PageQuery(namespace=NAMESPACE, scope=EVERYTHING, selector=selector, limit=100)
    start = await pages.page(whole)
    after = 0 if initial else start.resource_version
    async with watching.watcher(selector, initial=initial, after=after) as watcher:
        if not initial:
            watcher.known = {item.name: item for item in start.items}
        while not all(writer.done() for writer in writers):
            await watcher.next()
        number = await watching.stores.reader.resource_version(NAMESPACE)
        await watcher.up_to(number)
    end = await pages.page(whole)
    assert watcher.known == {item.name: item for item in end.items}
