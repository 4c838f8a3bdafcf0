"""What every MetadataClient promises.

Subclasses give `client`, and `known`: the in-memory metadata that it reaches, for what other
callers do meanwhile.
"""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.metadata import DENIED_TOKEN, InMemoryMetadata
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE, a_write, prepared_by
from vault_svc.domain.draft import Operation
from vault_svc.domain.fingerprint import Fingerprint
from vault_svc.ports.metadata import (
    AlreadyWritten,
    Decision,
    Idempotency,
    MetadataClient,
    Preparation,
    PreparedWrite,
    Question,
    ReleasedPage,
    ReleasedPlace,
    Resolution,
    SecureValue,
    ValueState,
)
from vault_svc.ports.values import ValueKey

ASKED = Idempotency("create-1", Fingerprint(bytes([1] * 32), bytes([2] * 32)))


class MetadataClientContract:
    async def test_a_prepared_write_has_not_happened(self, client: MetadataClient) -> None:
        preparation = await client.prepare(a_write("a"))

        assert isinstance(preparation, Preparation)
        assert preparation.preview is None
        assert (preparation.prepared.operation, preparation.prepared.name) == (
            Operation.CREATE,
            "a",
        )
        assert await self.resolved(client, "a") == (Resolution(Decision.NOT_FOUND),)

    async def test_every_preparation_has_an_id_of_its_own(self, client: MetadataClient) -> None:
        ids = {(await prepared_by(client, a_write("a"))).value_id for _ in range(3)}

        assert len(ids) == 3

    async def test_a_dry_run_shows_what_would_be_made(self, client: MetadataClient) -> None:
        preparation = await client.prepare(a_write("a", dry_run=True))

        assert isinstance(preparation, Preparation)
        assert preparation.preview is not None
        assert self.parsed(preparation.preview).name == "a"

    async def test_a_claimed_write_has_happened(self, client: MetadataClient) -> None:
        prepared = await self.claimed(client, "a")

        assert await self.resolved(client, "a") == (
            Resolution(Decision.ALLOWED, "system", prepared.value_id, 1),
        )

    async def test_a_claim_asked_again_gets_the_recorded_outcome(
        self, client: MetadataClient
    ) -> None:
        write = a_write("a")
        prepared = await prepared_by(client, write)
        first = await client.claim(write, prepared)
        later = await self.claimed(client, "a", Operation.UPDATE)

        again = await client.claim(write, prepared)

        assert self.parsed(again) == self.parsed(first)
        assert (await self.resolved(client, "a"))[0].value_id == later.value_id

    async def test_a_create_that_was_sent_before_is_told_so(
        self, client: MetadataClient
    ) -> None:
        write = a_write("a", idempotency=ASKED)
        made = await client.claim(write, await prepared_by(client, write))
        await self.claimed(client, "a", Operation.UPDATE)

        again = await client.prepare(write)

        assert isinstance(again, AlreadyWritten)
        assert self.parsed(again.secure_value) == self.parsed(made)

    async def test_of_two_equal_creates_the_second_claim_gets_what_the_first_made(
        self, client: MetadataClient
    ) -> None:
        write = a_write("a", idempotency=ASKED)
        slow = await prepared_by(client, write)
        made = await client.claim(write, await prepared_by(client, write))

        assert self.parsed(await client.claim(write, slow)) == self.parsed(made)

        key = ValueKey(NAMESPACE, slow.value_id)
        assert await client.refuse([key]) == ((key, ValueState.REFUSED),)

    async def test_another_create_under_the_same_key_is_refused(
        self, client: MetadataClient
    ) -> None:
        write = a_write("a", idempotency=ASKED)
        other = a_write(
            "b", idempotency=replace(ASKED, fingerprint=Fingerprint(bytes(32), bytes(32)))
        )
        slow = await prepared_by(client, other)
        await client.claim(write, await prepared_by(client, write))

        for refused in (client.prepare(other), client.claim(other, slow)):
            with pytest.raises(InvalidArgumentError) as error:
                await refused
            assert [v.field for v in error.value.violations] == ["Idempotency-Key"]

    async def test_another_callers_create_under_the_same_key_is_another(
        self, client: MetadataClient
    ) -> None:
        write = a_write("a", idempotency=ASKED)
        await client.claim(write, await prepared_by(client, write))

        answer = await client.prepare(a_write("b", idempotency=ASKED, token="another"))

        assert isinstance(answer, Preparation)

    async def test_a_refused_id_is_never_claimed(self, client: MetadataClient) -> None:
        write = a_write("a")
        prepared = await prepared_by(client, write)
        key = ValueKey(NAMESPACE, prepared.value_id)
        assert await client.refuse([key]) == ((key, ValueState.REFUSED),)

        with pytest.raises(ConflictError):
            await client.claim(write, prepared)

        assert await client.refuse([key]) == ((key, ValueState.REFUSED),)

    async def test_a_claimed_id_is_never_refused(self, client: MetadataClient) -> None:
        key = ValueKey(NAMESPACE, (await self.claimed(client, "a")).value_id)

        assert await client.refuse([key]) == ((key, ValueState.CLAIMED),)

    async def test_of_two_creates_of_a_name_the_second_claim_fails(
        self, client: MetadataClient
    ) -> None:
        write = a_write("a")
        slow = await prepared_by(client, write)
        await self.claimed(client, "a")

        with pytest.raises(AlreadyExistsError):
            await client.claim(write, slow)

    async def test_a_claim_that_failed_never_happens_later(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        write = a_write("a")
        slow = await prepared_by(client, write)
        await self.claimed(client, "a")
        with pytest.raises(AlreadyExistsError):
            await client.claim(write, slow)
        known.delete(NAMESPACE, "a")

        with pytest.raises(ConflictError):
            await client.claim(write, slow)

        assert await self.resolved(client, "a") == (Resolution(Decision.NOT_FOUND),)

    async def test_an_update_of_what_was_re_created_meanwhile_is_a_conflict(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        await self.claimed(client, "a")
        write = a_write("a", operation=Operation.UPDATE)
        prepared = await prepared_by(client, write)
        known.delete(NAMESPACE, "a")
        await self.claimed(client, "a")

        with pytest.raises(ConflictError):
            await client.claim(write, prepared)

    async def test_an_update_of_nothing_is_not_found(self, client: MetadataClient) -> None:
        with pytest.raises(NotFoundError):
            await client.prepare(a_write("a", operation=Operation.UPDATE))

    async def test_a_precondition_that_fails_is_a_conflict(
        self, client: MetadataClient
    ) -> None:
        await self.claimed(client, "a")

        with pytest.raises(ConflictError):
            await client.prepare(a_write("a", operation=Operation.UPDATE, uid="another"))

    async def test_a_denied_caller_hears_so(self, client: MetadataClient) -> None:
        with pytest.raises(PermissionDeniedError):
            await client.prepare(a_write("a", token=DENIED_TOKEN))

    async def test_violations_arrive_as_they_were_found(self, client: MetadataClient) -> None:
        with pytest.raises(InvalidArgumentError) as error:
            await client.prepare(a_write("a", description=""))

        assert [violation.field for violation in error.value.violations] == ["spec.description"]

    async def test_each_name_is_decided_in_the_order_asked(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        await self.claimed(client, "mine")
        await self.claimed(client, "theirs")
        known.allow(NAMESPACE, "theirs", "k6-cloud")

        resolutions = await self.resolved(client, "theirs", "absent", "mine")

        assert [resolution.decision for resolution in resolutions] == [
            Decision.NOT_AUTHORIZED,
            Decision.NOT_FOUND,
            Decision.ALLOWED,
        ]

    async def test_each_allowed_name_has_its_own_value(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        first = await self.claimed(client, "a")
        await self.claimed(client, "b")
        second = await self.claimed(client, "b", Operation.UPDATE)

        resolutions = await self.resolved(client, "b", "absent", "a", "b")
        known.keeper = "aws"
        elsewhere = await self.resolved(client, "a")

        assert [(r.value_id, r.version, r.keeper) for r in resolutions] == [
            (second.value_id, 2, "system"),
            (None, 0, ""),
            (first.value_id, 1, "system"),
            (second.value_id, 2, "system"),
        ]
        assert elsewhere == (Resolution(Decision.ALLOWED, "aws", first.value_id, 1),)

    async def test_questions_asked_together_are_decided_each_on_its_own(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        await self.claimed(client, "a")
        known.allow(NAMESPACE, "a", "k6-cloud")

        answers = await client.resolve(
            [
                Question(NAMESPACE, ["a"], IDENTITY),
                Question(NAMESPACE, ["absent", "a"], "k6-cloud"),
                Question("team-b", ["a"], "k6-cloud"),
            ]
        )

        assert [[resolution.decision for resolution in answer] for answer in answers] == [
            [Decision.NOT_AUTHORIZED],
            [Decision.NOT_FOUND, Decision.ALLOWED],
            [Decision.NOT_FOUND],
        ]

    async def test_a_question_that_breaks_a_rule_is_not_answered_and_the_others_are(
        self, client: MetadataClient
    ) -> None:
        await self.claimed(client, "a")

        answers = await client.resolve(
            [Question(NAMESPACE, ["a"], " "), Question(NAMESPACE, ["a"], IDENTITY)]
        )

        assert [len(answer) for answer in answers] == [0, 1]

    async def test_more_than_a_thousand_names_are_not_decided_together(
        self, client: MetadataClient
    ) -> None:
        half = Question(NAMESPACE, ["a"] * 500, IDENTITY)

        assert sum(map(len, await client.resolve([half, half]))) == 1000
        with pytest.raises(UnavailableError):
            await client.resolve([half, half, Question(NAMESPACE, ["a"], IDENTITY)])

    async def test_what_an_update_replaces_is_released(self, client: MetadataClient) -> None:
        old = await self.claimed(client, "a")
        await self.claimed(client, "a", Operation.UPDATE)

        assert await self.released(client) == (ValueKey(NAMESPACE, old.value_id),)

    async def test_what_is_deleted_is_released(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        old = await self.claimed(client, "a")
        known.delete(NAMESPACE, "a")

        assert await self.released(client) == (ValueKey(NAMESPACE, old.value_id),)

    async def test_released_ids_come_in_pages_in_the_order_of_their_release(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        released = []
        for name in ("a", "b", "c"):
            released.append(ValueKey(NAMESPACE, (await self.claimed(client, name)).value_id))
            known.clock.advance(1)
            known.delete(NAMESPACE, name)

        first = await client.released(after=None, limit=2)
        second = await client.released(after=first.next, limit=2)

        assert [*first.keys, *second.keys] == released
        assert first.next == ReleasedPlace(known.ids[released[1]].released_at, released[1])
        assert second.next is not None
        assert await client.released(after=second.next, limit=2) == ReleasedPage((), None)

    async def test_an_earlier_metadata_lists_released_ids_by_key(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        known.lists_by_key = True
        for name in ("a", "b", "c"):
            await self.claimed(client, name)
            known.delete(NAMESPACE, name)

        first = await client.released(after=None, limit=2)
        place = ReleasedPlace(None, first.keys[-1])
        second = await client.released(after=place, limit=2)

        assert (first.next, second.next) == (None, None)
        assert [*first.keys, *second.keys] == sorted(known.ids)

    async def test_an_acknowledged_id_is_erased_and_listed_no_more(
        self, client: MetadataClient, known: InMemoryMetadata
    ) -> None:
        key = ValueKey(NAMESPACE, (await self.claimed(client, "a")).value_id)
        known.delete(NAMESPACE, "a")

        for _ in range(2):
            await client.acknowledge([key])

        assert await self.released(client) == ()
        assert await client.refuse([key]) == ((key, ValueState.ERASED),)

    async def test_acknowledging_what_is_live_changes_nothing(
        self, client: MetadataClient
    ) -> None:
        key = ValueKey(NAMESPACE, (await self.claimed(client, "a")).value_id)

        await client.acknowledge([key, ValueKey(NAMESPACE, uuid4())])

        assert await client.refuse([key]) == ((key, ValueState.CLAIMED),)

    async def test_an_id_counts_for_its_namespace_alone(self, client: MetadataClient) -> None:
        prepared = await self.claimed(client, "a")
        elsewhere = ValueKey("team-b", prepared.value_id)

        assert await client.refuse([elsewhere]) == ((elsewhere, ValueState.REFUSED),)

    async def resolved(self, client: MetadataClient, *names: str) -> tuple[Resolution, ...]:
        (answer,) = await client.resolve([Question(NAMESPACE, names, IDENTITY)])
        return answer

    async def claimed(
        self, client: MetadataClient, name: str, operation: Operation = Operation.CREATE
    ) -> PreparedWrite:
        write = a_write(name, operation=operation)
        prepared = await prepared_by(client, write)
        assert isinstance(prepared.value_id, UUID)
        await client.claim(write, prepared)
        return prepared

    async def released(self, client: MetadataClient) -> tuple[ValueKey, ...]:
        return (await client.released(after=None, limit=10)).keys

    def parsed(self, secure_value: SecureValue) -> secure_value_pb2.SecureValue:
        return secure_value_pb2.SecureValue.FromString(secure_value)
