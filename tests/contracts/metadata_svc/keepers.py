"""The suites of ports.KeeperReader and ports.KeeperStore."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.errors import AlreadyExistsError
from metadata_svc.domain.field_owners import FieldOwner, OwnerOperation
from metadata_svc.domain.keeper import AwsKeeper, Keeper
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores, put, put_keepers
from tests.fakes.metadata_svc.builders import NAMESPACE, NOON, ROLE, a_keeper, a_secure_value

OWNERS = (
    FieldOwner(
        manager="terraform",
        operation=OwnerOperation.APPLY,
        api_version="secret.grafana.app/v1beta1",
        at=NOON,
        fields=("metadata.labels[team]", "spec.aws"),
    ),
)


class KeepersContract:
    async def test_a_namespace_without_an_active_keeper_has_none(self, stores: Stores) -> None:
        await put_keepers(
            stores,
            a_keeper(name="aws"),
            a_keeper(namespace="other", name="aws", active=True),
        )

        assert await stores.keepers.active(NAMESPACE) is None

    async def test_the_active_keeper_is_found(self, stores: Stores) -> None:
        await put_keepers(stores, a_keeper(name="one"), a_keeper(name="two", active=True))

        assert await stores.keepers.active(NAMESPACE) == "two"

    async def test_a_keeper_exists_in_its_namespace_only(self, stores: Stores) -> None:
        await put_keepers(stores, a_keeper(name="aws"))

        assert await stores.keepers.exists(NAMESPACE, "aws")
        assert not await stores.keepers.exists("other", "aws")
        assert await stores.keepers.get("other", "aws") is None
        assert not await stores.keepers.exists(NAMESPACE, "gcp")

    async def test_what_was_inserted_is_read_and_locked_as_it_was(self, stores: Stores) -> None:
        keeper = a_keeper(
            labels={"k": '"\\'}, annotations={"a/b": "ж\n"}, active=True, field_owners=OWNERS
        )
        await put_keepers(stores, keeper)

        assert await stores.keepers.get(NAMESPACE, keeper.name) == keeper
        assert await _locked(stores, keeper.name) == keeper

    async def test_a_keeper_that_exists_is_locked(self, stores: Stores) -> None:
        await put_keepers(stores, a_keeper(name="aws"))

        assert await stores.transactions.run(lambda tx: tx.keepers.lock(NAMESPACE, "aws"))
        assert not await stores.transactions.run(lambda tx: tx.keepers.lock(NAMESPACE, "gcp"))
        assert await _locked(stores, "gcp") is None

    async def test_to_activate_one_it_and_the_active_one_are_locked(
        self, stores: Stores
    ) -> None:
        active, other = a_keeper(name="b", active=True), a_keeper(name="a")
        elsewhere = a_keeper(namespace="other", name="a", active=True)
        await put_keepers(stores, active, other, elsewhere, a_keeper(name="c"))

        assert await _locked_to_activate(stores, "a") == (other, active)
        assert await _locked_to_activate(stores, "b") == (active,)
        assert await _locked_to_activate(stores, "system") == (active,)

    async def test_a_name_is_inserted_once(self, stores: Stores) -> None:
        await put_keepers(stores, a_keeper())

        with pytest.raises(AlreadyExistsError) as error:
            await put_keepers(stores, a_keeper())
        assert error.value.message == 'keepers.secret.grafana.app "aws-main" already exists'

    async def test_a_replaced_keeper_is_the_new_one(self, stores: Stores) -> None:
        before = a_keeper(labels={"a": "1"})
        after = replace(
            before,
            resource_version=9,
            generation=2,
            description="another",
            active=True,
            aws=AwsKeeper(region="us-east-1", assume_role=ROLE),
            labels={"b": "2"},
            annotations={},
            updated_at=NOON + timedelta(hours=1),
            updated_by="user:u2",
            field_owners=OWNERS,
        )
        await put_keepers(stores, before)

        async def work(tx: Transaction) -> None:
            await tx.keepers.lock_to_change(NAMESPACE, before.name)
            await tx.keepers.replace(after)

        await stores.transactions.run(work)
        assert await stores.keepers.get(NAMESPACE, before.name) == after

    async def test_a_removed_keeper_is_gone_and_its_name_free(self, stores: Stores) -> None:
        await put_keepers(stores, a_keeper())

        await stores.transactions.run(lambda tx: tx.keepers.remove(a_keeper()))

        assert await stores.keepers.get(NAMESPACE, a_keeper().name) is None
        await put_keepers(stores, a_keeper())

    async def test_keepers_are_counted_by_namespace(self, stores: Stores) -> None:
        await put_keepers(
            stores, a_keeper(name="a"), a_keeper(name="b"), a_keeper(namespace="other")
        )

        assert await stores.transactions.run(lambda tx: tx.keepers.count(NAMESPACE)) == 2
        assert await stores.transactions.run(lambda tx: tx.keepers.count("empty")) == 0

    async def test_a_keeper_keeps_something_while_a_live_secure_value_names_it(
        self, stores: Stores
    ) -> None:
        kept = a_secure_value(keeper="aws")
        await put(stores, kept, a_secure_value(name="b"))

        async def any_kept(namespace: str, keeper: str) -> bool:
            return await stores.transactions.run(
                lambda tx: tx.secure_values.any_kept_by(namespace, keeper)
            )

        assert await any_kept(NAMESPACE, "aws")
        assert not await any_kept(NAMESPACE, "gcp")
        assert not await any_kept("other", "aws")
        await stores.transactions.run(lambda tx: tx.secure_values.remove(kept))
        assert not await any_kept(NAMESPACE, "aws")


async def _locked(stores: Stores, name: str) -> Keeper | None:
    return await stores.transactions.run(lambda tx: tx.keepers.lock_to_change(NAMESPACE, name))


async def _locked_to_activate(stores: Stores, name: str) -> tuple[Keeper, ...]:
    return await stores.transactions.run(
        lambda tx: tx.keepers.lock_to_activate(NAMESPACE, name)
    )
