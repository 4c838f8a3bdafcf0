"""What the port Resources promises of either kind, by whichever services it is kept."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from chassis.sensitive import Sensitive
from gateway.clients.resources import (
    DeletePageAsk,
    PageAsk,
    Resources,
    WatchAsk,
    WriteOptions,
)
from gateway.queries.delete_options import DeleteOptions
from gateway.queries.ordering import Place
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions
from protos.splitkeep.metadata.v1.selector_pb2 import (
    FieldRequirement,
    SelectedField,
    Selector,
)
from protos.splitkeep.metadata.v1.watch_pb2 import EventType

EVERYTHING = Selector()
REAL, DRY = WriteOptions(), WriteOptions(dry_run=True)
NAMESPACE = "default"


@dataclass(frozen=True)
class Subject:
    """One kind's resources, how to write one, and whose tokens may do what."""

    resources: Resources[Any, Any]
    write: Callable[[str, str, Preconditions], Any]
    """From a name, a description and what was last seen."""
    admin: Sensitive[str]
    writer: Sensitive[str]

    async def made(self, name: str, description: str = "d") -> Any:
        write = self.write(name, description, Preconditions())
        return await self.resources.create(write, options=REAL, token=self.admin)

    async def updated(self, name: str, description: str, seen: Preconditions) -> Any:
        write = self.write(name, description, seen)
        return await self.resources.update(write, options=REAL, token=self.admin)

    async def found(self, name: str) -> Any:
        found = await self.resources.get(namespace=NAMESPACE, name=name, token=self.admin)
        return found.item


def deleting(*, dry_run: bool = False, version: int = 0) -> DeleteOptions:
    seen = Preconditions(resource_version=str(version)) if version else Preconditions()
    return DeleteOptions(preconditions=seen, dry_run=dry_run)


class ResourcesContract:
    """Inherit it and give it a `subject` whose namespace is empty."""

    async def test_what_is_created_is_found(self, subject: Subject) -> None:
        made = await subject.made("a")

        assert (made.namespace, made.name, made.description) == (NAMESPACE, "a", "d")
        assert made.uid
        assert made == await subject.found("a")

    async def test_a_name_is_taken_once(self, subject: Subject) -> None:
        await subject.made("a")

        with pytest.raises(AlreadyExistsError):
            await subject.made("a")

    async def test_a_dry_run_makes_nothing(self, subject: Subject) -> None:
        write = subject.write("a", "d", Preconditions())
        made = await subject.resources.create(write, options=DRY, token=subject.admin)

        assert made.name == "a"
        with pytest.raises(NotFoundError):
            await subject.found("a")

    async def test_an_update_keeps_the_uid_and_moves_the_version(
        self, subject: Subject
    ) -> None:
        made = await subject.made("a")

        now = await subject.updated("a", "e", Preconditions(uid=made.uid))

        assert (now.uid, now.description) == (made.uid, "e")
        assert now.resource_version > made.resource_version
        assert now == await subject.found("a")

    async def test_an_update_of_what_changed_since_is_a_conflict(
        self, subject: Subject
    ) -> None:
        made = await subject.made("a")
        stale = Preconditions(resource_version=str(made.resource_version))
        await subject.updated("a", "e", stale)

        with pytest.raises(ConflictError):
            await subject.updated("a", "f", stale)

    async def test_an_update_never_creates(self, subject: Subject) -> None:
        with pytest.raises(NotFoundError):
            await subject.updated("a", "d", Preconditions())

    async def test_who_may_only_write_finds_it_to_update_and_not_to_read(
        self, subject: Subject
    ) -> None:
        await subject.made("a")
        get = subject.resources.get

        own = await get(namespace=NAMESPACE, name="a", to_update=True, token=subject.admin)
        other = await get(namespace=NAMESPACE, name="a", to_update=True, token=subject.writer)

        assert (own.readable, other.readable) == (True, False)
        with pytest.raises(PermissionDeniedError):
            await get(namespace=NAMESPACE, name="a", token=subject.writer)

    async def test_pages_follow_one_another_by_name(self, subject: Subject) -> None:
        for name in ("b", "c", "a"):
            await subject.made(name)
        ask = PageAsk(namespace=NAMESPACE, selector=EVERYTHING, page_size=2)

        first = await subject.resources.list_page(ask, token=subject.admin)
        rest = PageAsk(namespace=NAMESPACE, selector=EVERYTHING, page_size=2, after=Place("b"))
        second = await subject.resources.list_page(rest, token=subject.admin)

        assert ([item.name for item in first.items], bool(first.next)) == (["a", "b"], True)
        assert ([item.name for item in second.items], bool(second.next)) == (["c"], False)
        assert first.resource_version >= max(item.resource_version for item in first.items)

    async def test_a_page_is_of_those_selected(self, subject: Subject) -> None:
        await subject.made("a")
        await subject.made("b")
        ask = PageAsk(namespace=NAMESPACE, selector=only("b"), page_size=10)

        page = await subject.resources.list_page(ask, token=subject.admin)

        assert [item.name for item in page.items] == ["b"]

    async def test_a_watch_tells_what_there_is_and_then_what_happens(
        self, subject: Subject
    ) -> None:
        made = await subject.made("a")
        ask = WatchAsk(namespace=NAMESPACE, selector=EVERYTHING, initial=True)
        seen: list[tuple[Any, str, bool]] = []

        events: Any = subject.resources.watch(ask, seconds=20, token=subject.admin)
        async with aclosing(events):
            async for event in events:
                name = event.item.name if event.item is not None else ""
                seen.append((event.type, name, event.initial_end))
                if event.initial_end:
                    await subject.updated("a", "e", Preconditions())
                    await subject.resources.delete(
                        namespace=NAMESPACE, name="a", options=deleting(), token=subject.admin
                    )
                if event.type == EventType.EVENT_TYPE_DELETED:
                    break

        assert made.resource_version > 0
        assert [one for one in seen if one[1] or one[2]] == [
            (EventType.EVENT_TYPE_ADDED, "a", False),
            (EventType.EVENT_TYPE_BOOKMARK, "", True),
            (EventType.EVENT_TYPE_MODIFIED, "a", False),
            (EventType.EVENT_TYPE_DELETED, "a", False),
        ]

    async def test_a_watch_ends_when_its_time_has_passed(self, subject: Subject) -> None:
        made = await subject.made("a")
        ask = WatchAsk(
            namespace=NAMESPACE,
            selector=EVERYTHING,
            after_resource_version=made.resource_version,
        )

        with pytest.raises(DeadlineExceededError):
            async for _ in subject.resources.watch(ask, seconds=0.3, token=subject.admin):
                pass

    async def test_what_is_deleted_is_gone_and_answered_as_it_was(
        self, subject: Subject
    ) -> None:
        made = await subject.made("a")

        gone = await subject.resources.delete(
            namespace=NAMESPACE, name="a", options=deleting(), token=subject.admin
        )

        assert gone.uid == made.uid
        with pytest.raises(NotFoundError):
            await subject.found("a")

    async def test_a_delete_of_what_changed_since_is_a_conflict(self, subject: Subject) -> None:
        made = await subject.made("a")
        await subject.updated("a", "e", Preconditions())
        stale = deleting(version=made.resource_version)

        with pytest.raises(ConflictError):
            await subject.resources.delete(
                namespace=NAMESPACE, name="a", options=stale, token=subject.admin
            )

    @pytest.mark.parametrize("dry_run", [True, False])
    async def test_a_page_of_those_selected_is_deleted(
        self, subject: Subject, *, dry_run: bool
    ) -> None:
        await subject.made("a")
        await subject.made("b")
        ask = DeletePageAsk(
            namespace=NAMESPACE, selector=only("b"), options=deleting(dry_run=dry_run)
        )

        page = await subject.resources.delete_page(ask, token=subject.admin)

        assert (page.names, page.after_name) == (("b",), "")
        await subject.found("a")
        left = await subject.resources.list_page(
            PageAsk(namespace=NAMESPACE, selector=EVERYTHING, page_size=10),
            token=subject.admin,
        )
        assert len(left.items) == (2 if dry_run else 1)

    async def test_a_token_that_is_none_gets_nothing(self, subject: Subject) -> None:
        with pytest.raises(UnauthenticatedError):
            await subject.resources.get(
                namespace=NAMESPACE, name="a", token=Sensitive("not-a-token")
            )


def only(name: str) -> Selector:
    term = FieldRequirement(field=SelectedField.SELECTED_FIELD_NAME, value=name)
    return Selector(fields=[term])
