"""What a metadata-only edit, a delete, a list and a resolve promise, on any stores."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.errors import ConflictError, NotFoundError
from metadata_svc.domain.access import Decision
from metadata_svc.domain.listing import Place
from metadata_svc.domain.resource import Preconditions
from metadata_svc.use_cases.lists import ListRequest
from metadata_svc.use_cases.resolve import Question
from tests.contracts.metadata_svc.application import Application, described, last_seen
from tests.contracts.metadata_svc.stores import key_of
from tests.fakes.metadata_svc.builders import NAMESPACE, a_caller_granted, a_draft

DRAFT = a_draft()
STALE = Preconditions(resource_version="7")


class EditsContract:
    async def test_an_edit_leaves_the_value_as_it_is(self, application: Application) -> None:
        before = await application.create()
        after = await application.edit(described(DRAFT, "another"))

        assert after == replace(before, description="another", generation=2, resource_version=2)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == after

    async def test_labels_and_annotations_are_not_spec(self, application: Application) -> None:
        await application.create()
        after = await application.edit(replace(DRAFT, labels={"a": "b"}))
        later = await application.edit(replace(DRAFT, annotations={"a": "b"}))

        assert (after.generation, after.resource_version) == (1, 2)
        assert (later.generation, later.resource_version) == (1, 3)
        assert (later.labels, later.annotations) == (DRAFT.labels, {"a": "b"})

    async def test_the_order_of_decrypters_is_spec(self, application: Application) -> None:
        await application.create(replace(DRAFT, decrypters=("a", "b")))
        after = await application.edit(replace(DRAFT, decrypters=("b", "a")))

        assert (after.generation, after.decrypters) == (2, ("b", "a"))

    async def test_an_edit_that_changes_nothing_writes_nothing(
        self, application: Application
    ) -> None:
        before = await application.create()

        assert await application.edit(DRAFT) == before
        assert await application.stores.reader.resource_version(NAMESPACE) == 1

    async def test_an_edit_that_changes_nothing_still_heeds_preconditions(
        self, application: Application
    ) -> None:
        await application.create()

        with pytest.raises(ConflictError):
            await application.edit(DRAFT, preconditions=STALE)

    async def test_an_edit_needs_something_to_edit(self, application: Application) -> None:
        with pytest.raises(NotFoundError):
            await application.edit(DRAFT)

    @pytest.mark.parametrize("dry_run", [True, False])
    async def test_a_stale_edit_is_a_conflict(
        self, application: Application, *, dry_run: bool
    ) -> None:
        before = await application.create()

        with pytest.raises(ConflictError):
            await application.edit(described(DRAFT, "x"), preconditions=STALE, dry_run=dry_run)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == before

    async def test_a_dry_edit_tells_what_it_would_make(self, application: Application) -> None:
        before = await application.create()
        after = await application.edit(described(DRAFT, "x"), dry_run=True)

        assert (after.description, after.generation) == ("x", 2)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == before

    async def test_a_deleted_one_is_gone_and_its_value_released(
        self, application: Application
    ) -> None:
        before = await application.create()

        assert await application.delete(NAMESPACE, DRAFT.name) == before
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None
        assert await application.stores.reader.resource_version(NAMESPACE) == 2
        assert await application.values.released(
            minimum_age=timedelta(0), after=None, page_size=0
        ) == (key_of(before),)

    async def test_a_second_delete_finds_nothing(self, application: Application) -> None:
        await application.create()
        await application.delete(NAMESPACE, DRAFT.name)

        with pytest.raises(NotFoundError):
            await application.delete(NAMESPACE, DRAFT.name)

    @pytest.mark.parametrize("dry_run", [True, False])
    async def test_a_stale_delete_is_a_conflict(
        self, application: Application, *, dry_run: bool
    ) -> None:
        before = await application.create()

        with pytest.raises(ConflictError):
            await application.delete(
                NAMESPACE, DRAFT.name, preconditions=STALE, dry_run=dry_run
            )
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == before

    async def test_a_delete_with_a_true_precondition_happens(
        self, application: Application
    ) -> None:
        before = await application.create()
        await application.delete(NAMESPACE, DRAFT.name, preconditions=last_seen(before))

        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None

    async def test_a_dry_delete_deletes_nothing(self, application: Application) -> None:
        before = await application.create()

        assert await application.delete(NAMESPACE, DRAFT.name, dry_run=True) == before
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == before

    async def test_a_dry_delete_of_nothing_finds_nothing(
        self, application: Application
    ) -> None:
        with pytest.raises(NotFoundError):
            await application.delete(NAMESPACE, DRAFT.name, dry_run=True)

    async def test_a_list_has_what_the_caller_may_read(self, application: Application) -> None:
        for name in ("a", "b", "c"):
            await application.create(a_draft(name=name))
        caller = a_caller_granted(
            ("secret.securevalues:read", "secret.securevalues:uid:c"),
            ("secret.securevalues:read", "secret.securevalues:uid:a"),
            ("secret.securevalues:write", "secret.securevalues:uid:b"),
        )

        listing = await application.lists.page(
            caller, ListRequest(namespace=NAMESPACE, page_size=1)
        )
        rest = await application.lists.page(
            caller, ListRequest(namespace=NAMESPACE, page_size=1, after=Place("a"))
        )

        assert [s.name for s in listing.items] == ["a"]
        assert [s.name for s in rest.items] == ["c"]
        assert (listing.more, rest.more) == (True, False)
        assert listing.resource_version == 3

    async def test_every_write_is_effective_on_the_next_resolve(
        self, application: Application
    ) -> None:
        draft = a_draft(decrypters=("k6",))
        seen = []
        await application.create(draft)
        seen.append(await self._decision(application))
        await application.edit(replace(draft, decrypters=()))
        seen.append(await self._decision(application))
        await application.update(draft)
        seen.append(await self._decision(application))
        await application.delete(NAMESPACE, draft.name)
        seen.append(await self._decision(application))

        assert seen == [
            (Decision.ALLOWED, 1),
            (Decision.NOT_AUTHORIZED, 0),
            (Decision.ALLOWED, 2),
            (Decision.NOT_FOUND, 0),
        ]

    async def test_a_caller_reads_what_was_written(self, application: Application) -> None:
        live = await application.create()

        assert await application.get(DRAFT.name) == live

    @staticmethod
    async def _decision(application: Application) -> tuple[Decision, int]:
        question = Question(NAMESPACE, [DRAFT.name], "k6")
        ((found,),) = await application.names.resolve([question])
        return found.decision, found.location.version if found.location else 0
