"""What creating a keeper under an idempotency key promises, on any stores."""

import asyncio
import secrets
from dataclasses import replace
from uuid import uuid4

import pytest

from chassis.caller import Caller
from chassis.errors import InvalidArgumentError, PermissionDeniedError, Rule
from metadata_svc.domain.field_owners import FieldManager
from metadata_svc.domain.idempotency import Fingerprint, Idempotency
from metadata_svc.domain.keeper import Keeper, KeeperDraft
from metadata_svc.use_cases.keepers import CreateKeeperRequest, KeeperWrites
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    ManualClock,
    a_caller,
    a_caller_granted,
    a_draft,
    a_keeper_draft,
)

DRAFT = a_keeper_draft()
GENERATED = a_keeper_draft(name="", generate_name="kp-")


class KeeperRepeatsContract:
    async def test_a_keeper_sent_again_is_made_once(self, stores: Stores) -> None:
        first = await create(stores, GENERATED)

        assert await create(stores, GENERATED) == first
        assert await written(stores) == 1

    async def test_of_many_equal_keepers_at_once_one_is_made(self, stores: Stores) -> None:
        made = await asyncio.gather(*(create(stores, DRAFT) for _ in range(16)))

        assert made == [made[0]] * 16
        assert await written(stores) == 1

    @pytest.mark.parametrize("name", ["aws-main", ""], ids=["same name", "generated"])
    async def test_another_keeper_under_the_key_is_refused(
        self, stores: Stores, name: str
    ) -> None:
        await create(stores, replace(DRAFT, name=name, generate_name="kp-"))
        other = replace(DRAFT, name=name, generate_name="kp-", description="another")

        with pytest.raises(InvalidArgumentError) as error:
            await create(stores, other)

        assert broken(error.value) == [("Idempotency-Key", Rule.INVALID)]

    async def test_a_secure_value_under_the_same_key_is_another_create(
        self, stores: Stores
    ) -> None:
        await create(stores, DRAFT)

        with pytest.raises(InvalidArgumentError) as error:
            await Application(stores).create_once(
                Idempotency("k", Fingerprint(bytes(32))), a_draft()
            )

        assert broken(error.value) == [("Idempotency-Key", Rule.INVALID)]

    async def test_who_writes_it_is_no_part_of_the_keeper(self, stores: Stores) -> None:
        first = await create(stores, DRAFT)
        by_another = replace(DRAFT, manager=FieldManager(name="terraform"))

        assert await create(stores, by_another) == first

    async def test_a_dry_run_neither_repeats_nor_is_repeated(self, stores: Stores) -> None:
        preview = await create(stores, GENERATED, dry_run=True)
        first = await create(stores, GENERATED)
        again = await create(stores, GENERATED, dry_run=True)

        assert len({preview.uid, first.uid, again.uid}) == 3
        assert await written(stores) == 1

    async def test_whoever_lost_the_right_is_not_told(self, stores: Stores) -> None:
        await create(stores, DRAFT)
        reader = a_caller_granted(("secret.keepers:read", "secret.keepers:*"))

        with pytest.raises(PermissionDeniedError):
            await create(stores, DRAFT, caller=reader)

    async def test_a_bad_key_is_told_with_all_the_rest(self, stores: Stores) -> None:
        with pytest.raises(InvalidArgumentError) as error:
            await create(stores, replace(DRAFT, description=""), key="x" * 256, dry_run=True)

        assert broken(error.value) == [
            ("spec.description", Rule.REQUIRED),
            ("Idempotency-Key", Rule.INVALID),
        ]

    async def test_without_a_key_nothing_is_remembered(self, stores: Stores) -> None:
        await create(stores, GENERATED, key="")
        await create(stores, GENERATED, key="")

        assert await written(stores) == 2


async def create(
    stores: Stores,
    draft: KeeperDraft,
    *,
    key: str = "k",
    dry_run: bool = False,
    caller: Caller | None = None,
) -> Keeper:
    writes = KeeperWrites(
        transactions=stores.transactions,
        clock=ManualClock(),
        new_id=uuid4,
        random_bytes=secrets.token_bytes,
    )
    request = CreateKeeperRequest(draft=draft, dry_run=dry_run, idempotency_key=key)
    return await writes.create(caller or a_caller(), request)


async def written(stores: Stores) -> int:
    """How many writes the namespace has seen."""
    return await stores.reader.resource_version(NAMESPACE)


def broken(error: InvalidArgumentError) -> list[tuple[str, Rule]]:
    return [(violation.field, violation.rule) for violation in error.violations]
