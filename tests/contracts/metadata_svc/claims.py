"""What Prepare, Claim and the sweeper's calls promise, on any stores."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from metadata_svc.domain.resource import Operation, Preconditions
from metadata_svc.domain.value_id import ValueKey, ValueState
from tests.contracts.metadata_svc.application import Application, described, last_seen
from tests.contracts.metadata_svc.stores import key_of, put_keepers
from tests.fakes.metadata_svc.builders import NAMESPACE, a_draft, a_keeper

DRAFT = a_draft()
NOW = timedelta(0)


class ClaimsContract:
    async def test_a_create_makes_what_was_drafted(self, application: Application) -> None:
        prepared = await application.prepare(DRAFT)
        after = await application.claim(prepared.write, DRAFT)

        assert after == replace(prepared.preview, resource_version=1)
        assert (after.version, after.generation, after.keeper) == (1, 1, "system")
        assert after.uid == prepared.write.uid
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == after

    async def test_prepare_writes_nothing(self, application: Application) -> None:
        await application.prepare(DRAFT)

        reader = application.stores.reader
        assert await reader.get(NAMESPACE, DRAFT.name) is None
        assert await reader.resource_version(NAMESPACE) == 0
        assert await reader.last_version(NAMESPACE, DRAFT.name) == 0

    async def test_a_name_is_created_once(self, application: Application) -> None:
        late = await application.prepare(DRAFT)
        await application.create()

        with pytest.raises(AlreadyExistsError):
            await application.prepare(DRAFT)
        with pytest.raises(AlreadyExistsError):
            await application.claim(late.write, DRAFT)

    async def test_an_update_points_to_the_new_value_and_releases_the_old(
        self, application: Application
    ) -> None:
        before = await application.create()
        after = await application.update(described(DRAFT, "another"))

        assert (after.version, after.generation, after.resource_version) == (2, 2, 2)
        assert (after.uid, after.created_at) == (before.uid, before.created_at)
        assert after.value_id != before.value_id
        assert await _released(application) == (key_of(before),)

    async def test_an_update_of_the_value_alone_is_an_update_of_the_spec(
        self, application: Application
    ) -> None:
        await application.create()
        after = await application.update(DRAFT)

        assert (after.version, after.generation, after.resource_version) == (2, 2, 2)

    async def test_an_update_needs_something_to_update(self, application: Application) -> None:
        with pytest.raises(NotFoundError):
            await application.update(DRAFT)

    async def test_a_claim_after_a_delete_finds_nothing(self, application: Application) -> None:
        await application.create()
        late = await application.prepare(DRAFT, operation=Operation.UPDATE)
        await application.delete(NAMESPACE, DRAFT.name)

        with pytest.raises(NotFoundError):
            await application.claim(late.write, DRAFT)

    async def test_a_claim_after_a_re_creation_is_a_conflict(
        self, application: Application
    ) -> None:
        await application.create()
        late = await application.prepare(DRAFT, operation=Operation.UPDATE)
        await application.delete(NAMESPACE, DRAFT.name)
        again = await application.create()

        with pytest.raises(ConflictError):
            await application.claim(late.write, DRAFT)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == again

    async def test_a_re_created_name_has_another_uid_and_counts_on(
        self, application: Application
    ) -> None:
        before = await application.create()
        await application.delete(NAMESPACE, DRAFT.name)
        prepared = await application.prepare(DRAFT)
        again = await application.claim(prepared.write, DRAFT)

        assert (prepared.preview.version, again.version, again.generation) == (2, 2, 1)
        assert again.uid != before.uid

    async def test_a_second_claim_answers_the_recorded_outcome_and_moves_nothing(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)
        first = await application.claim(prepared.write, DRAFT)
        newer = await application.update(described(DRAFT, "another"))

        assert await application.claim(prepared.write, DRAFT) == first
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == newer
        assert await application.stores.reader.resource_version(NAMESPACE) == 2

    async def test_a_second_claim_answers_even_when_all_is_gone(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)
        first = await application.claim(prepared.write, DRAFT)
        await application.delete(NAMESPACE, DRAFT.name)
        await application.values.acknowledge([key_of(first)])

        assert await application.claim(prepared.write, DRAFT) == first

    @pytest.mark.parametrize("operation", Operation)
    async def test_a_second_claim_after_the_outcome_is_forgotten_fails_and_moves_nothing(
        self, application: Application, operation: Operation
    ) -> None:
        if operation is Operation.UPDATE:
            await application.create()
        prepared = await application.prepare(DRAFT, operation=operation)
        first = await application.claim(prepared.write, DRAFT)
        before = await _released(application)
        forgotten = await application.outcomes.trim()

        with pytest.raises(ConflictError):
            await application.claim(prepared.write, DRAFT)
        reader = application.stores.reader
        assert forgotten == first.version
        assert await reader.get(NAMESPACE, DRAFT.name) == first
        assert await reader.resource_version(NAMESPACE) == first.resource_version
        assert await reader.last_version(NAMESPACE, DRAFT.name) == first.version
        assert await _released(application) == before

    async def test_a_deleted_name_is_not_created_by_a_claim_that_is_forgotten(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)
        gone = await application.claim(prepared.write, DRAFT)
        await application.delete(NAMESPACE, DRAFT.name)
        await application.values.acknowledge([key_of(gone)])
        await application.outcomes.trim()

        with pytest.raises(ConflictError):
            await application.claim(prepared.write, DRAFT)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None
        assert await application.values.refuse([key_of(gone)]) == (
            (key_of(gone), ValueState.ERASED),
        )

    async def test_a_second_update_answers_although_its_precondition_is_stale_by_then(
        self, application: Application
    ) -> None:
        expected = last_seen(await application.create())
        prepared = await application.prepare(
            DRAFT, operation=Operation.UPDATE, preconditions=expected
        )
        first = await application.claim(prepared.write, DRAFT, preconditions=expected)

        assert first == await application.claim(prepared.write, DRAFT, preconditions=expected)

    async def test_an_id_claimed_for_one_write_serves_no_other(
        self, application: Application
    ) -> None:
        taken = await application.create()
        other = a_draft(name="other")
        prepared = await application.prepare(other)
        stolen = replace(prepared.write, value_id=taken.value_id)

        with pytest.raises(FailedPreconditionError):
            await application.claim(stolen, other)
        with pytest.raises(FailedPreconditionError):
            await application.claim(replace(stolen, name=DRAFT.name), DRAFT)
        assert await application.stores.reader.get(NAMESPACE, "other") is None

    async def test_a_refused_id_is_never_claimed(self, application: Application) -> None:
        prepared = await application.prepare(DRAFT)
        key = ValueKey(NAMESPACE, prepared.write.value_id)

        assert await application.values.refuse([key]) == ((key, ValueState.REFUSED),)
        with pytest.raises(ConflictError):
            await application.claim(prepared.write, DRAFT)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None

    async def test_refusing_tells_where_each_id_stands_in_the_order_asked(
        self, application: Application
    ) -> None:
        old = await application.create()
        live = await application.update(DRAFT)
        gone = await application.create(a_draft(name="gone"))
        await application.delete(NAMESPACE, "gone")
        await application.values.acknowledge([key_of(gone)])
        unknown = ValueKey(NAMESPACE, uuid4())
        asked = [unknown, key_of(live), key_of(gone), key_of(old), unknown]

        states = await application.values.refuse(asked)

        assert states == tuple(
            zip(
                asked,
                (
                    ValueState.REFUSED,
                    ValueState.CLAIMED,
                    ValueState.ERASED,
                    ValueState.RELEASED,
                    ValueState.REFUSED,
                ),
                strict=True,
            )
        )
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) == live

    async def test_acknowledging_erases_what_is_released_and_nothing_else(
        self, application: Application
    ) -> None:
        old = await application.create()
        live = await application.update(DRAFT)
        await application.values.acknowledge([key_of(old), key_of(live)])
        await application.values.acknowledge([key_of(old)])

        assert await _released(application) == ()
        assert await application.values.refuse([key_of(old), key_of(live)]) == (
            (key_of(old), ValueState.ERASED),
            (key_of(live), ValueState.CLAIMED),
        )

    @pytest.mark.parametrize("field", ["uid", "resource_version"])
    async def test_a_stale_precondition_is_a_conflict_at_both_steps(
        self, application: Application, field: str
    ) -> None:
        await application.create()
        stale = Preconditions(**{field: "7"})
        prepared = await application.prepare(DRAFT, operation=Operation.UPDATE)

        with pytest.raises(ConflictError):
            await application.prepare(DRAFT, operation=Operation.UPDATE, preconditions=stale)
        with pytest.raises(ConflictError):
            await application.claim(prepared.write, DRAFT, preconditions=stale)

    async def test_a_precondition_that_holds_or_is_empty_is_no_hindrance(
        self, application: Application
    ) -> None:
        seen = last_seen(await application.create())
        await application.update(DRAFT, preconditions=seen)
        after = await application.update(
            DRAFT, preconditions=Preconditions(uid="", resource_version="")
        )

        assert after.version == 3

    async def test_of_two_updates_of_one_resource_version_one_wins(
        self, application: Application
    ) -> None:
        seen = last_seen(await application.create())
        both = [
            await application.prepare(DRAFT, operation=Operation.UPDATE, preconditions=seen)
            for _ in range(2)
        ]
        await application.claim(both[1].write, DRAFT, preconditions=seen)

        with pytest.raises(ConflictError):
            await application.claim(both[0].write, DRAFT, preconditions=seen)

    async def test_a_create_chooses_the_active_keeper(self, application: Application) -> None:
        await put_keepers(application.stores, a_keeper(name="aws", active=True))

        assert (await application.create()).keeper == "aws"

    async def test_a_claim_does_not_choose_the_keeper_again(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)
        await put_keepers(application.stores, a_keeper(name="aws", active=True))

        assert (await application.claim(prepared.write, DRAFT)).keeper == "system"

    async def test_a_claim_needs_its_keeper_to_exist(self, application: Application) -> None:
        prepared = await application.prepare(DRAFT)
        gone = replace(prepared.write, keeper="gone")

        with pytest.raises(FailedPreconditionError):
            await application.claim(gone, DRAFT)
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None

    async def test_an_update_stays_with_its_keeper(self, application: Application) -> None:
        await application.create()
        await put_keepers(application.stores, a_keeper(name="aws", active=True))
        prepared = await application.prepare(DRAFT, operation=Operation.UPDATE)

        assert prepared.write.keeper == "system"
        with pytest.raises(ConflictError):
            await application.claim(replace(prepared.write, keeper="aws"), DRAFT)

    async def test_a_generated_name_is_claimed_as_prepared(
        self, application: Application
    ) -> None:
        draft = a_draft(name="", generate_name="pg-")
        first, second = await application.create(draft), await application.create(draft)

        assert first.name.startswith("pg-")
        assert len(first.name) == len("pg-") + 10
        assert first.name != second.name

    async def test_a_claim_takes_only_the_name_of_its_draft(
        self, application: Application
    ) -> None:
        prepared = await application.prepare(DRAFT)

        with pytest.raises(InvalidArgumentError):
            await application.claim(replace(prepared.write, name="other"), DRAFT)
        with pytest.raises(InvalidArgumentError):
            await application.claim(
                replace(prepared.write, name="pg-main"), a_draft(name="", generate_name="pg-")
            )

    async def test_a_claim_checks_the_draft_again(self, application: Application) -> None:
        prepared = await application.prepare(DRAFT)

        with pytest.raises(InvalidArgumentError):
            await application.claim(prepared.write, described(DRAFT, ""))

    async def test_what_the_server_sets_is_not_stored(self, application: Application) -> None:
        draft = a_draft(
            annotations={
                "grafana.app/createdBy": "user:other",
                "grafana.app/managedBy": "terraform",
            }
        )
        prepared = await application.prepare(draft)
        after = await application.claim(prepared.write, draft)

        assert after.annotations == {"grafana.app/managedBy": "terraform"}
        assert prepared.preview.annotations == after.annotations

    async def test_what_kubectl_applied_last_is_stored_without_a_value(
        self, application: Application
    ) -> None:
        key = "kubectl.kubernetes.io/last-applied-configuration"
        applied = '{"kind":"SecureValue","spec":{"description":"d","value":"v"}}'
        draft = a_draft(annotations={key: applied})
        prepared = await application.prepare(draft)
        after = await application.claim(prepared.write, draft)
        edited = await application.edit(draft)

        kept = {key: '{"kind":"SecureValue","spec":{"description":"d"}}'}
        assert after.annotations == prepared.preview.annotations == kept
        assert edited == after


async def _released(application: Application) -> tuple[ValueKey, ...]:
    return await application.values.released(minimum_age=NOW, after=None, page_size=0)
