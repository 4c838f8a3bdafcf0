"""Create and update with a value, step by step."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    KnownError,
    PermissionDeniedError,
    Rule,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.metadata import DENIED_TOKEN, GENERATED_NAMES, InMemoryMetadata
from tests.fakes.vault_svc.vault import NAMESPACE, Vault, a_write, prepared_by
from vault_svc.domain.draft import Operation
from vault_svc.domain.keyring import DataKeyState
from vault_svc.ports.decisions import Answer
from vault_svc.ports.metadata import (
    AlreadyWritten,
    Preparation,
    PreparedWrite,
    SecureValue,
    Write,
)


@dataclass
class LosingMetadata(InMemoryMetadata):
    """Answers of Claim are lost, before or after it happened, as listed."""

    lost: list[tuple[str, KnownError]] = field(default_factory=list)
    claims: int = 0

    async def claim(self, write: Write, prepared: PreparedWrite) -> SecureValue:
        self.claims += 1
        if not self.lost:
            return await super().claim(write, prepared)
        when, error = self.lost.pop(0)
        if when == "after":
            await super().claim(write, prepared)
        raise error


class RepeatingMetadata(InMemoryMetadata):
    """Prepares every write with the same value id."""

    async def prepare(self, write: Write) -> Preparation | AlreadyWritten:
        answer = await super().prepare(write)
        assert isinstance(answer, Preparation)
        return replace(answer, prepared=replace(answer.prepared, value_id=UUID(int=1)))


def with_lost_claims(*lost: tuple[str, KnownError]) -> tuple[Vault, LosingMetadata]:
    clock = Vault().clock
    metadata = LosingMetadata(clock, lost=list(lost))
    return Vault(clock=clock, metadata=metadata), metadata


async def test_what_was_created_decrypts() -> None:
    vault = Vault()

    await vault.create("db-password", b"hunter2")

    assert await vault.decrypt("db-password") == {"db-password": b"hunter2"}


async def test_a_create_answers_what_metadata_made() -> None:
    made = await Vault().writes.write(a_write("db-password"), Sensitive(b"hunter2"))

    parsed = secure_value_pb2.SecureValue.FromString(made)
    assert (parsed.name, parsed.version) == ("db-password", 1)


async def test_an_update_replaces_the_value_at_once() -> None:
    vault = Vault()
    await vault.create("db-password", b"old")

    await vault.update("db-password", b"new")

    assert await vault.decrypt("db-password") == {"db-password": b"new"}


async def test_a_dry_run_keeps_nothing_and_makes_no_data_key() -> None:
    vault = Vault()

    preview = await vault.writes.write(a_write("a", dry_run=True), Sensitive(b"hunter2"))

    assert secure_value_pb2.SecureValue.FromString(preview).name == "a"
    assert (vault.rows.keys, vault.rows.values, vault.known.live) == ({}, {}, {})


@pytest.mark.parametrize("size_bytes", [1, 24_576])
async def test_values_of_1_to_24576_bytes_are_kept(size_bytes: int) -> None:
    vault = Vault()

    await vault.create("a", b"x" * size_bytes)

    assert await vault.decrypt("a") == {"a": b"x" * size_bytes}


TOO_LONG = b"x" * 24_577
BAD_VALUES = {
    "a create without value and ref": (Operation.CREATE, "", b"", "spec", Rule.REQUIRED),
    "a create that is too long": (
        *(Operation.CREATE, "", TOO_LONG, "spec.value", Rule.TOO_LONG),
    ),
    "an update with an empty value": (Operation.UPDATE, "", b"", "spec", Rule.REQUIRED),
    "an update that is too long": (
        *(Operation.UPDATE, "", TOO_LONG, "spec.value", Rule.TOO_LONG),
    ),
}


@pytest.mark.parametrize("dry_run", [False, True], ids=["for real", "dry run"])
@pytest.mark.parametrize(
    ("operation", "ref", "value", "path", "rule"), BAD_VALUES.values(), ids=BAD_VALUES
)
async def test_other_values_are_a_violation_and_nothing_is_kept(
    operation: Operation, ref: str, value: bytes, path: str, rule: Rule, *, dry_run: bool
) -> None:
    vault = Vault()
    if operation is Operation.UPDATE:
        await vault.create("a", b"first")
    before = dict(vault.rows.values)
    write = a_write("a", operation=operation, ref=ref, dry_run=dry_run)

    with pytest.raises(InvalidArgumentError) as error:
        await vault.writes.write(write, Sensitive(value))

    assert [(v.field, v.rule) for v in error.value.violations] == [(path, rule)]
    assert vault.rows.values == before


async def test_a_value_beside_a_reference_is_a_violation_of_its_own() -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await Vault().writes.write(a_write("a", ref="arn:x"), Sensitive(b"hunter2"))

    assert [(v.field, v.rule) for v in error.value.violations] == [
        ("spec.ref", Rule.FORBIDDEN),  # metadata's own verdict
        ("spec", Rule.FORBIDDEN),
    ]


async def test_a_reference_alone_gets_metadatas_verdict() -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await Vault().writes.write(a_write("a", ref="arn:x"), Sensitive(b""))

    assert [(v.field, v.rule) for v in error.value.violations] == [("spec.ref", Rule.FORBIDDEN)]


async def test_a_reference_that_metadata_lets_through_is_not_stored_as_an_empty_value() -> None:
    vault = Vault()
    vault.known.keeper = "aws-1"

    with pytest.raises(FailedPreconditionError):
        await vault.writes.write(a_write("a", ref="arn:x"), Sensitive(b""))

    assert (vault.rows.values, vault.known.live) == ({}, {})


async def test_all_violations_are_told_together() -> None:
    write = a_write("a", description="", labels={"note": TOO_LONG.decode()})

    with pytest.raises(InvalidArgumentError) as error:
        await Vault().writes.write(write, Sensitive(TOO_LONG))

    assert [violation.field for violation in error.value.violations] == [
        "spec.description",
        "spec.value",
        "metadata.labels",
    ]


async def test_permission_is_decided_before_the_value_is_judged() -> None:
    with pytest.raises(PermissionDeniedError):
        await Vault().writes.write(a_write("a", token=DENIED_TOKEN), Sensitive(b""))


async def test_a_refused_preparation_leaves_nothing() -> None:
    vault = Vault()

    with pytest.raises(PermissionDeniedError):
        await vault.writes.write(a_write("a", token=DENIED_TOKEN), Sensitive(b"hunter2"))

    assert (vault.rows.keys, vault.rows.values) == ({}, {})


@pytest.mark.parametrize("dry_run", [False, True], ids=["for real", "dry run"])
@pytest.mark.parametrize("operation", Operation)
async def test_a_value_through_a_third_party_keeper_is_a_violation(
    operation: Operation, *, dry_run: bool
) -> None:
    vault = Vault()
    if operation is Operation.UPDATE:
        await vault.create("a", b"first")
    before = dict(vault.rows.values)
    vault.known.keeper = "aws-1"
    write = a_write("a", operation=operation, dry_run=dry_run)

    with pytest.raises(InvalidArgumentError, match="third-party keeper") as error:
        await vault.writes.write(write, Sensitive(b"hunter2"))

    assert [(v.field, v.rule) for v in error.value.violations] == [("spec", Rule.FORBIDDEN)]
    assert vault.rows.values == before


async def test_a_third_party_keeper_is_told_beside_the_values_own_violations() -> None:
    vault = Vault()
    vault.known.keeper = "aws-1"

    with pytest.raises(InvalidArgumentError) as error:
        await vault.create("a", TOO_LONG)

    assert [(v.field, v.rule) for v in error.value.violations] == [
        ("spec", Rule.FORBIDDEN),
        ("spec.value", Rule.TOO_LONG),
    ]


async def test_a_value_id_that_is_in_use_is_not_used_again() -> None:
    clock = Vault().clock
    vault = Vault(clock=clock, metadata=RepeatingMetadata(clock))
    await vault.create("a", b"first")
    before = dict(vault.rows.values)

    with pytest.raises(UnavailableError):
        await vault.create("b", b"second")

    assert vault.rows.values == before


async def test_a_refused_claim_leaves_bytes_for_the_sweep_alone() -> None:
    vault, _ = with_lost_claims(("before", ConflictError()))

    with pytest.raises(ConflictError):
        await vault.create("a")

    assert len(vault.rows.values) == 1
    assert await vault.sweep_up() == 1
    assert vault.rows.values == {}


@pytest.mark.parametrize("error", [UnavailableError(), DeadlineExceededError()])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_claim_whose_answer_was_lost_is_asked_again(
    when: str, error: KnownError
) -> None:
    vault, metadata = with_lost_claims((when, error))

    await vault.create("a", b"hunter2")

    assert metadata.claims == 2
    assert await vault.decrypt("a") == {"a": b"hunter2"}
    assert metadata.last_versions == {(NAMESPACE, "a"): 1}


async def test_a_claim_that_stays_unanswered_is_given_up_and_nothing_is_erased() -> None:
    vault, _ = with_lost_claims(
        ("after", UnavailableError()), *[("before", UnavailableError())] * 9
    )

    with pytest.raises(UnavailableError):
        await vault.create("a", b"hunter2")

    assert len(vault.rows.values) == 1
    assert await vault.decrypt("a") == {"a": b"hunter2"}


@pytest.mark.parametrize("refusal", [UnauthenticatedError(), PermissionDeniedError()])
async def test_a_right_lost_between_two_claims_does_not_deny_the_first(
    refusal: KnownError,
) -> None:
    """The token may expire while an answer is lost; the write may still have happened."""
    vault, _ = with_lost_claims(("after", UnavailableError()), *[("before", refusal)] * 9)

    with pytest.raises(UnavailableError):
        await vault.create("a", b"hunter2")

    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_a_lost_answer_does_not_undo_the_writer_that_came_after() -> None:
    vault, metadata = with_lost_claims()
    await vault.create("a", b"first")
    write = a_write("a", operation=Operation.UPDATE)
    slow = await prepared_by(metadata, write)
    await vault.writes._store(NAMESPACE, slow, Sensitive(b"second"))
    await metadata.claim(write, slow)  # its answer is lost
    await vault.update("a", b"third")

    await vault.writes._claim(write, slow)

    assert await vault.decrypt("a") == {"a": b"third"}


async def test_a_generated_name_that_is_taken_is_generated_again() -> None:
    vault = Vault()
    await vault.create(GENERATED_NAMES[0], b"other")

    made = await vault.writes.write(a_write(""), Sensitive(b"hunter2"))

    assert secure_value_pb2.SecureValue.FromString(made).name == GENERATED_NAMES[1]
    assert await vault.decrypt(*GENERATED_NAMES[:2]) == {
        GENERATED_NAMES[0]: b"other",
        GENERATED_NAMES[1]: b"hunter2",
    }


async def test_names_are_generated_three_times_at_most() -> None:
    vault = Vault()
    for name in GENERATED_NAMES:
        await vault.create(name)

    with pytest.raises(AlreadyExistsError):
        await vault.writes.write(a_write(""), Sensitive(b"hunter2"))

    assert vault.known.generated == 3


async def test_a_chosen_name_that_is_taken_is_an_error() -> None:
    vault = Vault()
    await vault.create("a", b"first")

    with pytest.raises(AlreadyExistsError):
        await vault.create("a", b"second")

    assert await vault.decrypt("a") == {"a": b"first"}


async def test_a_data_key_that_was_disabled_meanwhile_is_replaced_unseen() -> None:
    vault = Vault()
    key = await vault.data_keys.ready(NAMESPACE)
    await vault.key_store.move(NAMESPACE, key.data_key_id, DataKeyState.DISABLED)

    await vault.create("a", b"hunter2")

    assert await vault.decrypt("a") == {"a": b"hunter2"}
    assert len(vault.rows.keys) == 2


async def test_of_concurrent_creates_of_a_name_one_wins() -> None:
    vault = Vault()

    outcomes = await asyncio.gather(
        *(vault.create("a", value) for value in (b"1", b"2", b"3")), return_exceptions=True
    )

    won = [value for value, outcome in zip(b"123", outcomes, strict=True) if outcome is None]
    assert await vault.decrypt("a") == {"a": bytes(won)}
    assert await vault.sweep_up() == 2


async def test_the_value_is_bound_to_the_name_that_metadata_gave() -> None:
    vault = Vault()
    await vault.create("a", b"value of a")
    await vault.create("b", b"value of b")
    live = vault.known.live
    live[NAMESPACE, "a"], live[NAMESPACE, "b"] = live[NAMESPACE, "b"], live[NAMESPACE, "a"]

    assert await vault.decrypt("a", "b") == {
        "a": Answer.DECRYPTION_FAILED,
        "b": Answer.DECRYPTION_FAILED,
    }
