"""What writes of both kinds leave of who set which fields, on any stores."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from chassis.errors import InvalidArgumentError
from metadata_svc.domain.field_owners import FieldManager, FieldOwner, OwnerOperation
from metadata_svc.domain.resource import Resource
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.keeping import Keeping
from tests.fakes.metadata_svc.builders import NAMESPACE, NOON, a_draft, a_keeper_draft

UPDATE, APPLY = OwnerOperation.UPDATE, OwnerOperation.APPLY
VERSION = "secret.grafana.app/v1beta1"
TEAM = "metadata.labels[team]"
DESCRIPTION, DECRYPTERS, VALUE = "spec.description", "spec.decrypters", "spec.value"
CURL = FieldManager(name="curl", api_version=VERSION)
EDIT = FieldManager(name="kubectl-edit", api_version=VERSION)
DRAFT = replace(a_draft(), manager=CURL)
KEEPER = replace(a_keeper_draft(), manager=CURL)


def applied(name: str, *fields: str) -> FieldManager:
    return FieldManager(name=name, api_version=VERSION, applied=frozenset(fields))


def owns(
    manager: str, *fields: str, operation: OwnerOperation = UPDATE, at: datetime = NOON
) -> FieldOwner:
    return FieldOwner(
        manager=manager, operation=operation, api_version=VERSION, at=at, fields=fields
    )


class OwnershipContract:
    async def test_a_create_is_owned_by_who_made_it(
        self, application: Application, keeping: Keeping
    ) -> None:
        made = await application.create(DRAFT)
        keeper = await keeping.create(KEEPER)

        assert made.field_owners == (owns("curl", TEAM, DECRYPTERS, DESCRIPTION, VALUE),)
        assert keeper.field_owners == (owns("curl", TEAM, "spec.aws", DESCRIPTION),)
        await self._stored(application, made, keeper)

    async def test_a_create_without_a_manager_is_owned_by_nobody(
        self, application: Application
    ) -> None:
        assert (await application.create(a_draft())).field_owners == ()

    async def test_what_prepare_foretells_is_what_claim_makes(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)
        made = await application.claim(prepared.write, DRAFT)

        assert prepared.preview.field_owners == made.field_owners

    async def test_a_new_value_changes_hands_and_nothing_else_does(
        self, application: Application
    ) -> None:
        await application.create(DRAFT)
        after = await application.update(replace(DRAFT, manager=EDIT))

        assert after.field_owners == (
            owns("curl", TEAM, DECRYPTERS, DESCRIPTION),
            owns("kubectl-edit", VALUE),
        )
        await self._stored(application, after)

    async def test_a_claim_asked_again_answers_the_same_owners(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)
        first = await application.claim(prepared.write, DRAFT)
        later = replace(DRAFT, manager=EDIT)

        assert await application.claim(prepared.write, later) == first

    async def test_an_edit_takes_over_what_it_changes(
        self, application: Application, keeping: Keeping
    ) -> None:
        await application.create(DRAFT)
        await keeping.create(KEEPER)
        changes: dict[str, Any] = {"description": "x", "labels": {}, "manager": EDIT}

        after = await application.edit(replace(DRAFT, **changes))
        keeper = await keeping.edit(replace(KEEPER, **changes))

        assert after.field_owners == (
            owns("curl", DECRYPTERS, VALUE),
            owns("kubectl-edit", DESCRIPTION),
        )
        assert keeper.field_owners == (
            owns("curl", "spec.aws"),
            owns("kubectl-edit", DESCRIPTION),
        )
        await self._stored(application, after, keeper)

    async def test_applying_what_is_there_shares_it_and_is_a_write(
        self, application: Application
    ) -> None:
        before = await application.create(DRAFT)
        applier = replace(DRAFT, manager=applied("terraform", DESCRIPTION))
        after = await application.edit(applier)

        assert after == replace(
            before,
            resource_version=2,
            field_owners=(
                *before.field_owners,
                owns("terraform", DESCRIPTION, operation=APPLY),
            ),
        )
        assert await application.edit(applier) == after
        assert await application.stores.reader.resource_version(NAMESPACE) == 2

    async def test_applying_nothing_any_more_lets_go_of_it(
        self, application: Application
    ) -> None:
        draft = replace(DRAFT, manager=applied("terraform", DESCRIPTION, TEAM, VALUE))
        await application.create(draft)
        after = await application.edit(
            replace(draft, labels={}, manager=applied("terraform", DESCRIPTION))
        )

        assert after.field_owners == (owns("terraform", DESCRIPTION, operation=APPLY),)

    async def test_an_activation_changes_no_owner(self, keeping: Keeping) -> None:
        before = await keeping.create(KEEPER)
        after = await keeping.activate(KEEPER.name)

        assert after is not None
        assert after.field_owners == before.field_owners

    @pytest.mark.parametrize("dry_run", [True, False])
    async def test_a_refused_write_leaves_owners_as_they_are(
        self, application: Application, keeping: Keeping, *, dry_run: bool
    ) -> None:
        before = await application.create(DRAFT)
        keeper = await keeping.create(KEEPER)
        bad = applied("terraform", "spec")

        with pytest.raises(InvalidArgumentError):
            await application.edit(replace(DRAFT, manager=bad), dry_run=dry_run)
        with pytest.raises(InvalidArgumentError):
            await application.update(replace(DRAFT, manager=bad))
        with pytest.raises(InvalidArgumentError):
            await keeping.edit(replace(KEEPER, manager=bad), dry_run=dry_run)
        await self._stored(application, before, keeper)

    @staticmethod
    async def _stored(application: Application, *resources: Resource) -> None:
        stores = application.stores
        for resource in resources:
            reader = stores.keepers if resource.kind.value == "Keeper" else stores.reader
            assert await reader.get(NAMESPACE, resource.name) == resource
