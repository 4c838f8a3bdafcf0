"""A create that its caller sends again under its key happens once."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis.caller import Principal
from chassis.errors import (
    InvalidArgumentError,
    KnownError,
    PermissionDeniedError,
    Rule,
    UnavailableError,
)
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.metadata import DENIED_TOKEN, GENERATED_NAMES, InMemoryMetadata
from tests.fakes.vault_svc.vault import NAMESPACE, Vault, a_write
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.fingerprint import IdempotencyKey
from vault_svc.domain.keyring import DataKeyState
from vault_svc.ports.metadata import PreparedWrite, SecureValue, Write

REUSED = [("Idempotency-Key", Rule.INVALID)]


@dataclass
class LosingMetadata(InMemoryMetadata):
    """The answer of the next Claim is lost, before or after it happened."""

    lost: list[str] = field(default_factory=list)

    async def claim(self, write: Write, prepared: PreparedWrite) -> SecureValue:
        when = self.lost.pop(0) if self.lost else ""
        if when == "before":
            raise UnavailableError
        made = await super().claim(write, prepared)
        if when == "after":
            raise UnavailableError
        return made


def losing(*lost: str) -> Vault:
    clock = Vault().clock
    return Vault(clock=clock, metadata=LosingMetadata(clock, lost=list(lost)))


def replica_of(vault: Vault) -> Vault:
    """Another process on the same databases."""
    return Vault(rows=vault.rows, clock=vault.clock, kek=vault.kek, metadata=vault.known)


async def broken(work: Any) -> list[tuple[str, Rule]]:
    with pytest.raises(InvalidArgumentError) as error:
        await work
    return [(violation.field, violation.rule) for violation in error.value.violations]


def fingerprint_keys(vault: Vault) -> list[Any]:
    keys = (record.key for record in vault.rows.keys.values())
    return [key for key in keys if key.purpose is KeyPurpose.FINGERPRINT]


async def test_sent_again_it_is_answered_with_what_it_made() -> None:
    vault = Vault()
    first = await vault.create_once("k", a_write("a"))

    assert await vault.create_once("k", a_write("a")) == first
    assert vault.known.last_versions == {(NAMESPACE, "a"): 1}
    assert await vault.sweep_up() == 0
    assert len(vault.rows.values) == 1


async def test_a_generated_name_is_generated_once() -> None:
    vault = Vault()

    made = [await vault.create_once("k", a_write("")) for _ in range(3)]

    assert made == [made[0]] * 3
    assert vault.known.last_versions == {(NAMESPACE, made[0].name): 1}


async def test_a_generated_name_that_collides_is_generated_again_and_the_key_stays() -> None:
    vault = Vault()
    await vault.create(GENERATED_NAMES[0])
    await vault.fingerprint_keys.ready(NAMESPACE)

    made = [await vault.create_once("k", a_write("")) for _ in range(2)]

    assert [one.name for one in made] == [GENERATED_NAMES[1]] * 2
    assert vault.known.last_versions[NAMESPACE, GENERATED_NAMES[1]] == 1


async def test_another_replica_answers_the_same() -> None:
    vault = Vault()
    first = await vault.create_once("k", a_write("a"))

    assert await replica_of(vault).create_once("k", a_write("a")) == first


@pytest.mark.parametrize(
    ("write", "value"),
    [
        (a_write("a"), b"hunter3"),
        (a_write("a", description="another"), b"hunter2"),
        (a_write("b"), b"hunter2"),
        (a_write(""), b"hunter2"),
    ],
    ids=["value", "description", "name", "generated name"],
)
async def test_another_create_under_the_same_key_is_refused(write: Write, value: bytes) -> None:
    vault = Vault()
    await vault.create_once("k", a_write("a"))

    assert await broken(vault.create_once("k", write, value)) == REUSED
    assert len(vault.rows.values) == 1
    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_the_field_manager_makes_no_other_create() -> None:
    vault = Vault()
    first = await vault.create_once("k", a_write("a"))
    manager = secure_value_pb2.SecureValueDraft(name="x").SerializeToString()

    assert await vault.create_once("k", a_write("a", manager=manager)) == first


async def test_callers_and_namespaces_do_not_meet() -> None:
    vault = Vault()

    made = [
        await vault.create_once("k", a_write("", token="one")),
        await vault.create_once("k", a_write("", token="two")),
        await vault.create_once("k", a_write("", namespace="team-b")),
    ]

    assert len({one.uid for one in made}) == 3


async def test_of_16_equal_creates_at_once_one_happens_and_all_are_told() -> None:
    one = Vault()
    vaults = [one, replica_of(one)] * 8

    made = await asyncio.gather(*(vault.create_once("k", a_write("a")) for vault in vaults))

    assert made == [made[0]] * 16
    assert one.known.last_versions == {(NAMESPACE, "a"): 1}
    assert len(fingerprint_keys(one)) == 1
    await one.sweep_up()
    assert {key.value_id for key in one.known.referenced()} == {
        key.value_id for key in one.rows.values
    }


async def test_the_loser_of_a_race_leaves_bytes_for_the_sweep_alone() -> None:
    vault = Vault()
    write = await vault.writes._recognisable(
        a_write("a"), Sensitive(b"hunter2"), IdempotencyKey(Principal("token", "token"), "k")
    )
    slow = await vault.known.prepare(write)
    first = await vault.create_once("k", a_write("a"))
    await vault.writes._store(NAMESPACE, slow.prepared, Sensitive(b"hunter2"))  # type: ignore[union-attr]  # nobody came before

    late = await vault.writes._claim(write, slow.prepared)  # type: ignore[union-attr]  # as above

    assert secure_value_pb2.SecureValue.FromString(late) == first
    assert (len(vault.rows.values), await vault.sweep_up(), len(vault.rows.values)) == (2, 1, 1)
    assert await vault.decrypt("a") == {"a": b"hunter2"}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_claim_whose_answer_was_lost_is_asked_again(when: str) -> None:
    vault = losing(when)

    made = await vault.create_once("k", a_write("a"))

    assert await vault.create_once("k", a_write("a")) == made
    assert vault.known.last_versions == {(NAMESPACE, "a"): 1}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_whoever_is_told_unavailable_sends_it_again_and_it_happened_once(
    when: str,
) -> None:
    vault = losing(when, "before", "before", "before")
    with pytest.raises(UnavailableError):
        await vault.create_once("k", a_write("a"))

    made = await replica_of(vault).create_once("k", a_write("a"))

    assert (made.name, made.version) == ("a", 1)
    await vault.sweep_up()
    assert len(vault.rows.values) == 1
    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_a_dry_run_neither_repeats_nor_is_repeated_and_makes_no_key() -> None:
    vault = Vault()
    await vault.create_once("k", a_write("a", dry_run=True))
    assert vault.rows.keys == {}

    first = await vault.create_once("k", a_write(""))
    preview = await vault.create_once("k", a_write("", dry_run=True))

    assert (preview.version, preview.name == first.name) == (0, False)


@pytest.mark.parametrize("dry_run", [False, True], ids=["for real", "dry run"])
async def test_a_bad_key_is_told_with_all_the_rest(*, dry_run: bool) -> None:
    write = a_write("a", description="", dry_run=dry_run)

    assert await broken(Vault().create_once("x" * 256, write, b"")) == [
        ("spec.description", Rule.REQUIRED),
        ("spec", Rule.REQUIRED),
        *REUSED,
    ]


async def test_whoever_may_not_write_makes_no_fingerprint_key() -> None:
    vault = Vault()

    with pytest.raises(PermissionDeniedError):
        await vault.create_once("k", a_write("a", token=DENIED_TOKEN))

    assert vault.rows.keys == {}


async def test_an_impossible_namespace_is_metadatas_to_refuse() -> None:
    vault = Vault()

    with pytest.raises(KnownError):
        await vault.create_once("k", a_write("a", namespace="\x00", token=DENIED_TOKEN))

    assert vault.rows.keys == {}


@dataclass
class PreemptedMetadata(InMemoryMetadata):
    """Somebody else's work is done whole before the next question is answered."""

    meanwhile: list[Any] = field(default_factory=list)

    async def prepare(self, write: Write) -> Any:
        if self.meanwhile:
            await self.meanwhile.pop()()
        return await super().prepare(write)


async def test_a_first_create_that_meets_its_own_like_is_told_what_that_made() -> None:
    """The fingerprint key is not there yet when it looks, the name is taken when it asks."""
    clock = Vault().clock
    metadata = PreemptedMetadata(clock)
    vault, made = Vault(clock=clock, metadata=metadata), []

    async def its_own_like() -> None:
        made.append(await replica_of(vault).create_once("k", a_write("a")))

    metadata.meanwhile.append(its_own_like)

    assert await vault.create_once("k", a_write("a")) == made[0]
    assert metadata.last_versions == {(NAMESPACE, "a"): 1}


async def test_a_name_that_another_has_taken_is_still_an_error() -> None:
    vault = Vault()
    await vault.create("a")

    with pytest.raises(KnownError, match="already exists"):
        await vault.create_once("k", a_write("a"))

    assert vault.known.idempotent == {}


async def test_without_a_key_nothing_is_fingerprinted() -> None:
    vault = Vault()
    await vault.create("a")

    assert fingerprint_keys(vault) == []
    assert vault.known.idempotent == {}


async def test_a_disabled_fingerprint_key_gives_way_and_what_it_knew_is_another_create() -> (
    None
):
    vault = Vault()
    await vault.create_once("k", a_write("a"))
    (key,) = fingerprint_keys(vault)
    await vault.key_store.move(NAMESPACE, key.data_key_id, DataKeyState.DISABLED)

    assert await broken(vault.create_once("k", a_write("a"))) == REUSED
    assert (await vault.create_once("k2", a_write("b"))).name == "b"
    assert len(fingerprint_keys(vault)) == 2


async def test_what_metadata_is_sent_says_nothing_of_the_value() -> None:
    """Equal creates of two callers, or under two keys, do not look equal."""
    vault = Vault()
    for key, token in (("k", "one"), ("k", "two"), ("k2", "one")):
        await vault.create_once(key, a_write("", token=token))

    made = [fingerprint for fingerprint, _ in vault.known.idempotent.values()]
    fingerprints = {fingerprint.of_principal for fingerprint in made}
    assert len(fingerprints) == 3
    assert {len(fingerprint) for fingerprint in fingerprints} == {32}
