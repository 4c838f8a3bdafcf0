"""What creating, editing, activating and deleting keepers promises, on any stores."""

from dataclasses import replace
from uuid import UUID

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    NotFoundError,
)
from metadata_svc.domain.access import Scope
from metadata_svc.domain.keeper import MAX_KEEPERS, AwsKeeper, Keeper
from metadata_svc.domain.resource import Preconditions
from metadata_svc.ports.changes import ChangesQuery
from metadata_svc.ports.history import ChangeType
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores, put, put_keepers
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    NOON,
    ROLE,
    a_caller,
    a_keeper,
    a_keeper_draft,
    a_secure_value,
)

DRAFT = a_keeper_draft()
STALE = Preconditions(resource_version="7")
ANOTHER_UID = Preconditions(uid=str(UUID(int=7)))


class KeeperWritesContract:
    async def test_a_create_makes_what_was_drafted(self, keeping: Keeping) -> None:
        after = await keeping.create()

        assert after == a_keeper(
            uid=after.uid,
            description=DRAFT.description,
            annotations={},
            created_at=NOON,
            created_by_issuer=a_caller().issuer,
            updated_by_issuer=a_caller().issuer,
        )
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) == after
        assert (await keeping.get(DRAFT.name)).resource == after
        assert await changes(keeping.stores) == [(ChangeType.ADDED, after)]

    async def test_a_name_is_created_once(self, keeping: Keeping) -> None:
        first = await keeping.create()

        for dry_run in (False, True):
            with pytest.raises(AlreadyExistsError):
                await keeping.create(dry_run=dry_run)
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) == first
        assert await keeping.stores.reader.resource_version(NAMESPACE) == 1

    async def test_what_the_server_sets_is_not_stored(self, keeping: Keeping) -> None:
        mark = {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "grafana.app/createdBy": "x",
            "a": "b",
        }
        after = await keeping.create(replace(DRAFT, annotations=mark))

        assert after.annotations == {"a": "b"}
        assert await keeping.edit(replace(DRAFT, annotations=mark)) == after

    async def test_a_dry_create_tells_what_it_would_make(self, keeping: Keeping) -> None:
        after = await keeping.create(dry_run=True)

        assert (after.name, after.resource_version, after.aws) == (DRAFT.name, 0, DRAFT.aws)
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) is None
        assert await keeping.stores.reader.resource_version(NAMESPACE) == 0

    async def test_a_name_may_be_completed_from_a_prefix(self, keeping: Keeping) -> None:
        draft = replace(DRAFT, name="", generate_name="kp-")
        names = {(await keeping.create(draft)).name for _ in range(3)}

        assert len(names) == 3
        assert all(name.startswith("kp-") and len(name) == 13 for name in names)

    async def test_a_completed_name_that_is_taken_is_tried_again(self, stores: Stores) -> None:
        draws = iter([b"\0" * 10, b"\0" * 10, b"\1" * 10])
        keeping = Keeping(stores, random_bytes=lambda _: next(draws))
        draft = replace(DRAFT, name="", generate_name="kp-")

        names = [(await keeping.create(draft)).name for _ in range(2)]

        assert names == ["kp-aaaaaaaaaa", "kp-bbbbbbbbbb"]

    async def test_a_completed_name_is_tried_three_times(self, stores: Stores) -> None:
        keeping = Keeping(stores, random_bytes=lambda _: b"\0" * 10)
        draft = replace(DRAFT, name="", generate_name="kp-")
        await keeping.create(draft)

        with pytest.raises(AlreadyExistsError):
            await keeping.create(draft)

    async def test_a_namespace_has_a_thousand_keepers_at_most(self, keeping: Keeping) -> None:
        many = (a_keeper(name=f"k{n}") for n in range(MAX_KEEPERS - 1))
        await put_keepers(keeping.stores, *many)
        await keeping.create(replace(DRAFT, name="last"))

        for dry_run in (False, True):
            with pytest.raises(FailedPreconditionError):
                await keeping.create(replace(DRAFT, name="one-more"), dry_run=dry_run)
        await keeping.create(replace(DRAFT, namespace="other"))
        await keeping.delete("k1")
        await keeping.create(replace(DRAFT, name="one-more"))

    async def test_an_edit_replaces_everything_but_whether_it_is_active(
        self, keeping: Keeping
    ) -> None:
        await keeping.create()
        active = await keeping.activate(DRAFT.name)
        assert active is not None
        after = await keeping.edit(
            replace(
                DRAFT,
                description="another",
                labels={},
                annotations={"a": "b"},
                aws=AwsKeeper(region="us-east-1", assume_role=ROLE),
            )
        )

        assert after == replace(
            active,
            resource_version=3,
            generation=2,
            description="another",
            labels={},
            annotations={"a": "b"},
            aws=AwsKeeper(region="us-east-1", assume_role=ROLE),
        )
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) == after

    async def test_labels_are_not_spec(self, keeping: Keeping) -> None:
        await keeping.create()
        after = await keeping.edit(replace(DRAFT, labels={"a": "b"}))

        assert (after.generation, after.resource_version) == (1, 2)

    async def test_an_edit_that_changes_nothing_writes_nothing(self, keeping: Keeping) -> None:
        before = await keeping.create()

        assert await keeping.edit(DRAFT) == before
        assert await keeping.stores.reader.resource_version(NAMESPACE) == 1

    @pytest.mark.parametrize("dry_run", [True, False])
    @pytest.mark.parametrize("expected", [STALE, ANOTHER_UID])
    async def test_a_stale_write_is_a_conflict(
        self, keeping: Keeping, expected: Preconditions, *, dry_run: bool
    ) -> None:
        before = await keeping.create()
        edit = replace(DRAFT, description="x")

        with pytest.raises(ConflictError):
            await keeping.edit(edit, preconditions=expected, dry_run=dry_run)
        with pytest.raises(ConflictError):
            await keeping.delete(DRAFT.name, preconditions=expected, dry_run=dry_run)
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) == before

    async def test_a_write_of_what_was_last_seen_happens(self, keeping: Keeping) -> None:
        seen = last_seen(await keeping.create())
        after = await keeping.edit(replace(DRAFT, description="x"), preconditions=seen)

        with pytest.raises(ConflictError):
            await keeping.delete(DRAFT.name, preconditions=seen)
        await keeping.delete(DRAFT.name, preconditions=last_seen(after))
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) is None

    async def test_a_dry_edit_tells_what_it_would_make(self, keeping: Keeping) -> None:
        before = await keeping.create()
        after = await keeping.edit(replace(DRAFT, description="x"), dry_run=True)

        assert after == replace(before, description="x", generation=2)
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) == before

    @pytest.mark.parametrize("name", ["absent", "system"])
    async def test_what_there_is_not_is_not_found(self, keeping: Keeping, name: str) -> None:
        with pytest.raises(NotFoundError) as error:
            await keeping.get(name)
        assert error.value.message == f'keeper.secret.grafana.app "{name}" not found'
        with pytest.raises(NotFoundError):
            await keeping.edit(replace(DRAFT, name=name))
        for dry_run in (False, True):
            with pytest.raises(NotFoundError):
                await keeping.delete(name, dry_run=dry_run)

    async def test_what_there_is_not_is_not_activated(self, keeping: Keeping) -> None:
        before = await self._active(keeping, "a")

        for dry_run in (False, True):
            with pytest.raises(NotFoundError):
                await keeping.activate("absent", dry_run=dry_run)
        assert await keeping.stores.keepers.get(NAMESPACE, "a") == before

    async def test_the_activated_keeper_takes_over_from_the_one_before(
        self, keeping: Keeping
    ) -> None:
        one = await self._active(keeping, "one")
        two = await keeping.create(replace(DRAFT, name="two"))

        after = await keeping.activate("two")

        assert after == replace(two, active=True, resource_version=5)
        assert await keeping.stores.keepers.active(NAMESPACE) == "two"
        passive = await keeping.stores.keepers.get(NAMESPACE, "one")
        assert passive == replace(one, active=False, resource_version=4)
        assert (await changes(keeping.stores))[-2:] == [
            (ChangeType.MODIFIED, passive),
            (ChangeType.MODIFIED, after),
        ]

    async def test_activating_the_active_keeper_writes_nothing(self, keeping: Keeping) -> None:
        before = await self._active(keeping, "a")

        assert await keeping.activate("a") == before
        assert await keeping.stores.reader.resource_version(NAMESPACE) == 2

    async def test_a_dry_activation_tells_what_it_would_make(self, keeping: Keeping) -> None:
        before = await self._active(keeping, "a")
        other = await keeping.create(replace(DRAFT, name="b"))

        assert await keeping.activate("b", dry_run=True) == replace(other, active=True)
        assert await keeping.activate("system", dry_run=True) is None
        assert await keeping.stores.keepers.get(NAMESPACE, "a") == before
        assert await keeping.stores.reader.resource_version(NAMESPACE) == 3

    async def test_the_vault_itself_may_be_activated(self, keeping: Keeping) -> None:
        await self._active(keeping, "a")

        assert await keeping.activate("system") is None
        assert await keeping.stores.keepers.active(NAMESPACE) is None
        assert await keeping.activate("system") is None
        assert await keeping.stores.reader.resource_version(NAMESPACE) == 3

    async def test_namespaces_have_an_active_keeper_each(self, keeping: Keeping) -> None:
        await put_keepers(keeping.stores, a_keeper(namespace="other", active=True))
        await self._active(keeping, "a")

        assert await keeping.stores.keepers.active(NAMESPACE) == "a"
        assert await keeping.stores.keepers.active("other") == a_keeper().name

    async def test_without_the_active_keeper_the_vault_keeps_new_values(
        self, keeping: Keeping
    ) -> None:
        before = await self._active(keeping, "a")

        assert await keeping.delete("a") == before
        assert await keeping.stores.keepers.active(NAMESPACE) is None
        assert (await changes(keeping.stores))[-1] == (ChangeType.DELETED, before)

    async def test_a_keeper_in_use_is_not_deleted(self, keeping: Keeping) -> None:
        await keeping.create()
        kept = a_secure_value(keeper=DRAFT.name)
        await put(keeping.stores, kept)

        for dry_run in (False, True):
            with pytest.raises(FailedPreconditionError) as error:
                await keeping.delete(DRAFT.name, dry_run=dry_run)
            assert "in use" in error.value.message

        async def remove(tx: Transaction) -> None:
            await tx.secure_values.remove(kept)

        await keeping.stores.transactions.run(remove)
        await keeping.delete(DRAFT.name)

    async def test_a_dry_delete_deletes_nothing(self, keeping: Keeping) -> None:
        before = await keeping.create()

        assert await keeping.delete(DRAFT.name, dry_run=True) == before
        assert await keeping.stores.keepers.get(NAMESPACE, DRAFT.name) == before

    @staticmethod
    async def _active(keeping: Keeping, name: str) -> Keeper:
        await keeping.create(replace(DRAFT, name=name))
        active = await keeping.activate(name)
        assert active is not None
        return active


def last_seen(keeper: Keeper) -> Preconditions:
    return Preconditions(uid=str(keeper.uid), resource_version=str(keeper.resource_version))


async def changes(stores: Stores) -> list[tuple[ChangeType, Keeper]]:
    """What became of the namespace's keepers, in the order of numbers."""
    query = ChangesQuery(
        namespace=NAMESPACE, scope=Scope(everything=True), after=0, limit=2 * MAX_KEEPERS
    )
    past = await stores.keeper_changes.after(query)
    return [(e.change.type, e.change.after) for e in past.entries if e.change is not None]
