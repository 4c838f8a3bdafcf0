"""Who gets which answer to a decrypt, and what is written down about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from chassis.caller import Caller
from chassis.errors import InvalidArgumentError, UnavailableError
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE, Vault, a_caller, shown
from vault_svc.domain.keyring import DataKeyState
from vault_svc.ports.decisions import Answer, DecryptRecord
from vault_svc.ports.metadata import Decision, Question, Resolution
from vault_svc.ports.values import ValueKey
from vault_svc.use_cases.decrypt import DecryptCall
from vault_svc.use_cases.opening import Form


@dataclass
class RacingMetadata(InMemoryMetadata):
    """After a decision, something happens to the value, as listed, before it can be read."""

    happenings: list[object] = field(default_factory=list)
    vault: Vault | None = None

    async def resolve(
        self, questions: Sequence[Question]
    ) -> tuple[tuple[Resolution, ...], ...]:
        decided = await super().resolve(questions)
        if self.happenings and self.vault:
            happening = self.happenings.pop(0)
            if isinstance(happening, bytes):
                await self.vault.update("a", happening)
            else:
                self.delete(NAMESPACE, "a")
            await self.vault.sweep_up()
        return decided


def racing(*happenings: object) -> Vault:
    clock = Vault().clock
    metadata = RacingMetadata(clock, happenings=[])
    vault = Vault(clock=clock, metadata=metadata)
    metadata.vault, metadata.happenings = vault, list(happenings)
    return vault


async def test_each_name_is_answered_by_what_holds_for_it() -> None:
    vault = Vault()
    await vault.create("mine", b"hunter2")
    await vault.create("theirs")
    vault.known.allow(NAMESPACE, "theirs", "k6-cloud")

    answers = await vault.decrypt("mine", "theirs", "absent")

    assert answers == {
        "mine": b"hunter2",
        "theirs": Answer.NOT_AUTHORIZED,
        "absent": Answer.NOT_FOUND,
    }


async def test_answers_come_in_the_order_asked_each_name_once() -> None:
    vault = Vault()
    await vault.create("b")

    assert list(await vault.decrypt("c", "b", "c", "a", "b")) == ["c", "b", "a"]


@pytest.mark.parametrize(
    "caller",
    [
        a_caller(for_user=True),
        a_caller(namespace="team-b"),
        a_caller(identities=()),
        a_caller(identities=(" ",)),
        a_caller(permissions=frozenset()),
        a_caller(permissions=frozenset({"secret.grafana.app/securevalues/other:decrypt"})),
    ],
    ids=["user", "elsewhere", "no identity", "blank identity", "no permission", "other name"],
)
async def test_without_the_right_every_name_is_not_authorized_and_nothing_is_looked_up(
    caller: Caller,
) -> None:
    vault = Vault()
    await vault.create("there")

    answers = await vault.decrypt("there", "absent", caller=caller)

    assert answers == {"there": Answer.NOT_AUTHORIZED, "absent": Answer.NOT_AUTHORIZED}
    assert vault.known.resolved == []


async def test_a_permission_for_one_name_gets_that_name_and_asks_for_no_other() -> None:
    vault = Vault()
    await vault.create("a", b"hunter2")
    await vault.create("b")
    permission = "secret.grafana.app/securevalues/a:decrypt"

    answers = await vault.decrypt(
        "a", "b", caller=a_caller(permissions=frozenset({permission}))
    )

    assert answers == {"a": b"hunter2", "b": Answer.NOT_AUTHORIZED}
    assert vault.known.resolved == [("a",)]


async def test_what_cannot_be_a_name_is_not_found_and_not_asked_for() -> None:
    vault = Vault()
    await vault.create("a", b"hunter2")

    answers = await vault.decrypt("a", "*", "A", "a\x00", "x" * 254)

    assert answers["a"] == b"hunter2"
    assert set(answers.values()) == {b"hunter2", Answer.NOT_FOUND}
    assert vault.known.resolved == [("a",)]


async def test_what_cannot_be_a_namespace_holds_nothing() -> None:
    vault = Vault()
    call = DecryptCall(a_caller(namespace="*"), "", "TEAM\x00", ["a"])

    (outcome,) = await vault.decrypter.decrypt(call)

    assert outcome.answer is Answer.NOT_FOUND
    assert vault.known.resolved == []


@pytest.mark.parametrize(
    ("names", "field_name"),
    [((), "names"), (("a", ""), "names"), (tuple("a" * 1001), "names")],
    ids=["none", "an empty one", "1001"],
)
async def test_a_malformed_list_of_names_is_refused(
    names: tuple[str, ...], field_name: str
) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await Vault().decrypt(*names)

    assert {violation.field for violation in error.value.violations} == {field_name}


async def test_an_empty_namespace_is_refused() -> None:
    call = DecryptCall(a_caller(namespace="*"), "", "", ["a"])

    with pytest.raises(InvalidArgumentError):
        await Vault().decrypter.decrypt(call)


async def test_a_thousand_names_are_answered_by_one_question_and_one_read() -> None:
    vault = Vault()
    await vault.create("n7", b"hunter2")

    answers = await vault.decrypt(*(f"n{number}" for number in range(1000)))

    assert len(answers) == 1000
    assert answers["n7"] == b"hunter2"
    assert len(vault.known.resolved) == 1


async def test_a_removed_decrypter_counts_on_the_next_call() -> None:
    vault = Vault()
    await vault.create("a")
    await vault.decrypt("a")
    vault.known.allow(NAMESPACE, "a")

    assert await vault.decrypt("a") == {"a": Answer.NOT_AUTHORIZED}


async def test_a_deleted_value_is_not_found_on_the_next_call() -> None:
    vault = Vault()
    await vault.create("a")
    await vault.decrypt("a")
    vault.known.delete(NAMESPACE, "a")

    assert await vault.decrypt("a") == {"a": Answer.NOT_FOUND}


async def test_a_value_replaced_and_erased_before_the_read_is_answered_by_the_new_one() -> None:
    vault = racing()
    await vault.create("a", b"old")
    await vault.create("b", b"other")
    vault.known.happenings = [b"new"]  # type: ignore[attr-defined]  # RacingMetadata

    assert await vault.decrypt("a", "b") == {"a": b"new", "b": b"other"}


async def test_a_value_deleted_and_erased_before_the_read_is_not_found() -> None:
    vault = racing()
    await vault.create("a", b"old")
    vault.known.happenings = ["delete"]  # type: ignore[attr-defined]  # RacingMetadata

    assert await vault.decrypt("a") == {"a": Answer.NOT_FOUND}


async def test_a_value_that_never_stands_still_makes_the_call_unavailable() -> None:
    vault = racing()
    await vault.create("a", b"old")
    vault.known.happenings = [b"new"] * 50  # type: ignore[attr-defined]  # RacingMetadata

    with pytest.raises(UnavailableError):
        await vault.decrypt("a")


async def test_a_live_value_that_is_missing_fails_that_name_alone() -> None:
    vault = Vault()
    await vault.create("a")
    await vault.create("b", b"other")
    del vault.rows.values[ValueKey(NAMESPACE, live_id(vault, "a"))]

    assert await vault.decrypt("a", "b") == {"a": Answer.DECRYPTION_FAILED, "b": b"other"}


async def test_a_disabled_data_key_opens_nothing_at_once_and_everything_when_enabled() -> None:
    vault = Vault()
    await vault.create("a", b"hunter2")
    await vault.decrypt("a")
    key = await vault.data_keys.ready(NAMESPACE)

    await vault.key_store.move(NAMESPACE, key.data_key_id, DataKeyState.DISABLED)
    assert await vault.decrypt("a") == {"a": Answer.DECRYPTION_FAILED}
    assert vault.decisions.records[-1].reason == "the data key is disabled"

    await vault.key_store.move(NAMESPACE, key.data_key_id, DataKeyState.RETIRED)
    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_a_disabled_data_key_is_not_even_unwrapped() -> None:
    vault = Vault()
    await vault.create("a", b"hunter2")
    key = await vault.data_keys.ready(NAMESPACE)
    await vault.key_store.move(NAMESPACE, key.data_key_id, DataKeyState.DISABLED)
    fresh = Vault(rows=vault.rows, kek=vault.kek, clock=vault.clock, metadata=vault.known)
    vault.kek.off = True

    assert await fresh.decrypt("a") == {"a": Answer.DECRYPTION_FAILED}


async def test_a_kek_that_cannot_be_had_makes_the_call_unavailable() -> None:
    first = Vault()
    await first.create("a")
    second = Vault(rows=first.rows, kek=first.kek, clock=first.clock, metadata=first.known)
    first.kek.off = True

    with pytest.raises(UnavailableError):
        await second.decrypt("a")


async def test_a_value_at_a_keeper_that_is_not_served_fails() -> None:
    vault = Vault()
    await vault.create("a")
    vault.known.keeper = "aws"

    assert await vault.decrypt("a") == {"a": Answer.DECRYPTION_FAILED}


async def test_bytes_that_are_no_text_fail_only_where_text_is_asked_for() -> None:
    vault = Vault()
    await vault.create("a", b"\xff\xfe")
    await vault.create("b", "ü".encode())

    as_bytes = await vault.decrypt("a", "b", form=Form.BYTES)
    as_text = await vault.decrypt("a", "b", form=Form.TEXT)

    assert as_bytes == {"a": b"\xff\xfe", "b": b"\xc3\xbc"}
    assert as_text == {"a": Answer.DECRYPTION_FAILED, "b": b"\xc3\xbc"}


async def test_values_that_do_not_fit_into_one_message_are_not_opened() -> None:
    vault = Vault()
    names = [f"n{number}" for number in range(172)]
    for name in names:
        await vault.create(name, b"x" * 24_576)

    with pytest.raises(InvalidArgumentError, match="ask for fewer names"):
        await vault.decrypt(*names)

    assert vault.decisions.records == []
    assert len(await vault.decrypt(*names[:169])) == 169


async def test_a_stream_answers_the_same_in_parts() -> None:
    vault = Vault()
    names = [f"n{number}" for number in range(250)]
    for name in names[:3]:
        await vault.create(name, name.encode())

    call = DecryptCall(a_caller(), "", NAMESPACE, names)
    parts = [part async for part in vault.decrypter.stream(call)]

    assert [len(part) for part in parts] == [100, 100, 50]
    assert {o.name: shown(o) for part in parts for o in part} == await vault.decrypt(*names)


async def test_every_decision_is_recorded_once_with_its_true_reason() -> None:
    vault = Vault()
    for name in ("a", "b", "lost"):
        await vault.create(name)
    await vault.update("b")
    del vault.rows.values[ValueKey(NAMESPACE, live_id(vault, "lost"))]
    call = DecryptCall(a_caller(), "says-k6", NAMESPACE, ["b", "absent", "lost", "?", "a"])

    await vault.decrypter.decrypt(call)

    assert vault.decisions.records == [
        DecryptRecord(
            service_identity=IDENTITY,
            claimed_identity="says-k6",
            issuer=a_caller().issuer,
            subject="access-policy:1",
            namespace=NAMESPACE,
            answer=answer,
            reason=reason,
            names=names,
            versions=versions,
        )
        for answer, reason, names, versions in [
            (Answer.GRANTED, "", ["b", "a"], [2, 1]),
            (Answer.NOT_FOUND, "there is no such secure value", ["absent"], [0]),
            (Answer.DECRYPTION_FAILED, "the value is missing", ["lost"], [1]),
            (Answer.NOT_FOUND, "no secure value is named so", ["?"], [0]),
        ]
    ]


async def test_a_refusal_before_any_look_up_is_recorded_with_its_true_reason() -> None:
    vault = Vault()

    await vault.decrypt("a", caller=a_caller(for_user=True))

    assert [record.reason for record in vault.decisions.records] == ["the call is a user's"]


async def test_no_outcome_and_no_record_shows_a_value() -> None:
    vault = Vault()
    await vault.create("a", b"hunter2-canary")

    outcomes = await vault.decrypter.decrypt(DecryptCall(a_caller(), "", NAMESPACE, ["a"]))

    assert "canary" not in repr((outcomes, vault.decisions.records, vault.rows))


def live_id(vault: Vault, name: str) -> UUID:
    return vault.known.live[NAMESPACE, name].value_id


def test_every_answer_but_granted_is_a_text_of_grafanas_wire() -> None:
    assert {answer.value for answer in Answer} - {"granted"} == {
        "not found",
        "not authorized",
        "decryption failed",
    }
    assert Decision.NOT_FOUND.value == Answer.NOT_FOUND.value
