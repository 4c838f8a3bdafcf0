"""What a create under an idempotency key promises, on any stores."""

import asyncio
from dataclasses import replace

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    InvalidArgumentError,
    PermissionDeniedError,
    Rule,
)
from metadata_svc.domain.idempotency import Fingerprint, Idempotency
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import Draft, SecureValue
from metadata_svc.domain.value_id import ValueKey, ValueState
from metadata_svc.use_cases.claim import ClaimRequest
from metadata_svc.use_cases.prepare import Prepared, PrepareRequest, WrittenBefore
from tests.contracts.metadata_svc.application import Application, described
from tests.fakes.metadata_svc.builders import NAMESPACE, a_caller, a_caller_granted, a_draft

DRAFT = a_draft()
GENERATED = a_draft(name="", generate_name="sv-")
ASKED = Idempotency("create-1", Fingerprint(bytes([1] * 32)))
OTHERWISE = Idempotency("create-1", Fingerprint(bytes([2] * 32)))
REUSED = [("Idempotency-Key", Rule.INVALID)]


class RepeatsContract:
    async def test_a_create_sent_again_gets_the_recorded_outcome(
        self, application: Application
    ) -> None:
        first = await application.create_once(ASKED, DRAFT)

        assert await application.create_once(ASKED, DRAFT) == first
        assert await written(application) == 1

    async def test_equal_subjects_of_two_issuers_are_two_callers(
        self, application: Application
    ) -> None:
        theirs = a_caller(issuer="https://other.example")
        first = await application.create_once(ASKED, GENERATED)

        second = await application.create_once(ASKED, GENERATED, caller=theirs)

        assert second.name != first.name
        assert (second.created_by, second.created_by_issuer) == (theirs.subject, theirs.issuer)
        assert await application.create_once(ASKED, GENERATED, caller=theirs) == second
        assert await application.create_once(ASKED, GENERATED) == first

    async def test_another_issuers_equal_subject_is_not_told_a_claims_outcome(
        self, application: Application
    ) -> None:
        write = await prepared(application, ASKED, DRAFT)
        await claim(application, ASKED, write)
        request = ClaimRequest(write=write.write, draft=DRAFT)

        with pytest.raises(FailedPreconditionError):
            await application.claiming.claim(a_caller(issuer="https://other.example"), request)

    async def test_a_generated_name_is_generated_once(self, application: Application) -> None:
        first = await application.create_once(ASKED, GENERATED)

        assert await application.create_once(ASKED, GENERATED) == first
        assert await written(application) == 1

    async def test_the_outcome_is_told_as_it_was_whatever_came_after(
        self, application: Application
    ) -> None:
        first = await application.create_once(ASKED, DRAFT)
        await application.update(described(DRAFT, "another"))
        assert await application.create_once(ASKED, DRAFT) == first

        await application.delete(NAMESPACE, DRAFT.name)
        assert await application.create_once(ASKED, DRAFT) == first
        assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None

    async def test_another_create_under_the_key_is_refused(
        self, application: Application
    ) -> None:
        await application.create_once(ASKED, DRAFT)
        other = a_draft(name="other")

        with pytest.raises(InvalidArgumentError) as error:
            await application.create_once(OTHERWISE, other)

        assert broken(error.value) == REUSED
        assert await application.stores.reader.get(NAMESPACE, "other") is None

    async def test_claim_itself_refuses_another_create_under_the_key(
        self, application: Application
    ) -> None:
        late = await prepared(application, OTHERWISE, GENERATED)
        await application.create_once(ASKED, GENERATED)

        with pytest.raises(InvalidArgumentError) as error:
            await claim(application, OTHERWISE, late)

        assert broken(error.value) == REUSED
        assert await written(application) == 1

    async def test_a_claim_that_comes_late_gets_the_outcome_and_claims_nothing(
        self, application: Application
    ) -> None:
        late = await prepared(application, ASKED, GENERATED)
        first = await application.create_once(ASKED, GENERATED)

        assert await claim(application, ASKED, late) == first

        key = ValueKey(NAMESPACE, late.write.value_id)
        assert await application.values.refuse([key]) == ((key, ValueState.REFUSED),)

    async def test_a_claim_asked_again_gets_its_outcome_and_moves_nothing(
        self, application: Application
    ) -> None:
        write = await prepared(application, ASKED, DRAFT)
        first = await claim(application, ASKED, write)

        assert await claim(application, ASKED, write) == first
        assert await written(application) == 1

    async def test_a_claim_asked_again_after_its_key_is_forgotten_moves_nothing(
        self, application: Application
    ) -> None:
        write = await prepared(application, ASKED, DRAFT)
        first = await claim(application, ASKED, write)
        await application.idempotency_keys.trim()

        assert await claim(application, ASKED, write) == first
        assert await application.create_once(ASKED, DRAFT) == first
        assert await written(application) == 1

    async def test_a_claim_that_fails_leaves_the_key_free(
        self, application: Application
    ) -> None:
        write = await prepared(application, ASKED, DRAFT)
        await application.values.refuse([ValueKey(NAMESPACE, write.write.value_id)])
        with pytest.raises(ConflictError):
            await claim(application, ASKED, write)

        assert (await application.create_once(OTHERWISE, DRAFT)).version == 1

    async def test_a_name_that_is_taken_leaves_the_key_free(
        self, application: Application
    ) -> None:
        late = await prepared(application, ASKED, DRAFT)
        await application.create()
        with pytest.raises(AlreadyExistsError):
            await claim(application, ASKED, late)
        with pytest.raises(AlreadyExistsError):
            await application.create_once(ASKED, DRAFT)
        await application.delete(NAMESPACE, DRAFT.name)

        assert (await application.create_once(ASKED, DRAFT)).version == 2

    async def test_once_its_key_is_forgotten_a_create_is_a_new_one(
        self, application: Application
    ) -> None:
        await application.create_once(ASKED, GENERATED)
        assert await application.idempotency_keys.trim() == 1

        await application.create_once(OTHERWISE, GENERATED)

        assert await written(application) == 2

    async def test_of_many_equal_creates_at_once_one_happens_and_all_are_told(
        self, application: Application
    ) -> None:
        made = await asyncio.gather(*(application.create_once(ASKED, DRAFT) for _ in range(16)))

        assert made == [made[0]] * 16
        assert await written(application) == 1

    async def test_two_callers_do_not_meet(self, application: Application) -> None:
        first = await application.create_once(ASKED, GENERATED)
        other = a_caller(subject="user:u2")

        assert await application.create_once(ASKED, GENERATED, caller=other) != first

    async def test_two_namespaces_do_not_meet(self, application: Application) -> None:
        first = await application.create_once(ASKED, DRAFT)
        elsewhere = replace(DRAFT, namespace="team-b")

        made = await application.create_once(OTHERWISE, elsewhere)

        assert (made.namespace, made.uid != first.uid) == ("team-b", True)

    async def test_whoever_lost_the_right_is_not_told(self, application: Application) -> None:
        await application.create_once(ASKED, DRAFT)
        reader = a_caller_granted(("secret.securevalues:read", "secret.securevalues:*"))

        with pytest.raises(PermissionDeniedError):
            await application.create_once(ASKED, DRAFT, caller=reader)

    async def test_an_invalid_draft_is_told_so_first(self, application: Application) -> None:
        await application.create_once(ASKED, DRAFT)

        with pytest.raises(InvalidArgumentError) as error:
            await application.create_once(OTHERWISE, described(DRAFT, ""))

        assert broken(error.value) == [("spec.description", Rule.REQUIRED)]

    @pytest.mark.parametrize(
        ("asked", "rule"),
        [
            (Idempotency("", Fingerprint(bytes(32))), Rule.INVALID),
            (Idempotency("x" * 256, Fingerprint(bytes(32))), Rule.INVALID),
            (Idempotency("ключ", Fingerprint(bytes(32))), Rule.INVALID),
            (Idempotency("a\nb", Fingerprint(bytes(32))), Rule.INVALID),
            (Idempotency("key", Fingerprint(bytes(31))), Rule.INVALID),
            (Idempotency("key", Fingerprint(b"")), Rule.INVALID),
        ],
        ids=["empty", "long", "not ASCII", "not printable", "short mac", "no mac"],
    )
    async def test_a_peer_that_sends_nonsense_is_refused(
        self, application: Application, asked: Idempotency, rule: Rule
    ) -> None:
        with pytest.raises(InvalidArgumentError) as error:
            await application.create_once(asked, DRAFT)

        assert broken(error.value) == [("Idempotency-Key", rule)]

    async def test_an_update_takes_no_key(self, application: Application) -> None:
        await application.create()
        request = PrepareRequest(operation=Operation.UPDATE, draft=DRAFT, idempotency=ASKED)
        update = await application.prepare(DRAFT, operation=Operation.UPDATE)

        with pytest.raises(InvalidArgumentError) as at_prepare:
            await application.preparing.prepare(a_caller(), request)
        with pytest.raises(InvalidArgumentError) as at_claim:
            await claim(application, ASKED, update)

        refused = [("Idempotency-Key", Rule.FORBIDDEN)]
        assert (broken(at_prepare.value), broken(at_claim.value)) == (refused, refused)


async def prepared(application: Application, asked: Idempotency, draft: Draft) -> Prepared:
    request = PrepareRequest(
        operation=Operation.CREATE,
        draft=draft,
        idempotency=asked,
    )
    answer = await application.preparing.prepare(a_caller(), request)
    assert not isinstance(answer, WrittenBefore)
    return answer


async def claim(
    application: Application, asked: Idempotency, prepared: Prepared
) -> SecureValue:
    draft = DRAFT if prepared.write.name == DRAFT.name else GENERATED
    request = ClaimRequest(write=prepared.write, draft=draft, idempotency=asked)
    return await application.claiming.claim(a_caller(), request)


async def written(application: Application) -> int:
    """How many writes the namespace has seen."""
    return await application.stores.reader.resource_version(NAMESPACE)


def broken(error: InvalidArgumentError) -> list[tuple[str, Rule]]:
    return [(violation.field, violation.rule) for violation in error.violations]
