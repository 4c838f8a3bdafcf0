"""What goes to metadata and to the store together, and what does not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from chassis.errors import InvalidArgumentError, UnavailableError
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.stores import InMemorySealedValueStore, Rows
from tests.fakes.vault_svc.vault import NAMESPACE, Vault, a_caller, shown
from vault_svc.ports.decisions import Answer
from vault_svc.ports.metadata import Question, Resolution
from vault_svc.ports.values import StoredValues, ValueKey
from vault_svc.use_cases.decrypt import DecryptCall

VALUE_BYTES = 24_576


@dataclass
class HeardMetadata(InMemoryMetadata):
    """Remembers what it was asked together, and can leave all questions unanswered."""

    together: list[int] = field(default_factory=list)
    deaf: bool = False

    async def resolve(
        self, questions: Sequence[Question]
    ) -> tuple[tuple[Resolution, ...], ...]:
        self.together.append(len(questions))
        answers = await super().resolve(questions)
        return tuple(() for _ in answers) if self.deaf else answers


class CountedStore(InMemorySealedValueStore):
    """Remembers how much was asked of it together."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self.reads: list[int] = []

    async def read(self, keys: Sequence[ValueKey], *, maximum_bytes: int) -> StoredValues:
        self.reads.append(len(keys))
        return await super().read(keys, maximum_bytes=maximum_bytes)


class HeardVault(Vault):
    def __init__(self) -> None:
        clock, rows = Vault().clock, Rows()
        self.heard, self.counted = HeardMetadata(clock), CountedStore(rows)
        super().__init__(rows=rows, clock=clock, metadata=self.heard, values=self.counted)


async def test_decrypts_of_one_moment_take_one_question_and_one_read() -> None:
    vault = HeardVault()
    for name in ("a", "b", "c"):
        await vault.create(name, name.encode())

    answers = await asyncio.gather(*(vault.decrypt(name) for name in ("a", "b", "c", "a")))

    assert answers == [{"a": b"a"}, {"b": b"b"}, {"c": b"c"}, {"a": b"a"}]
    assert (vault.heard.together, vault.counted.reads) == ([4], [3])


async def test_where_nothing_is_allowed_nothing_is_read() -> None:
    vault = HeardVault()

    assert await vault.decrypt("absent") == {"absent": Answer.NOT_FOUND}
    assert vault.counted.reads == []


async def test_callers_of_several_identities_and_namespaces_share_and_are_kept_apart() -> None:
    vault = HeardVault()
    await vault.create("a", b"of team-a")
    vault.known.allow(NAMESPACE, "a", "billing")
    calls = [
        DecryptCall(a_caller(namespace="*", identities=(identity,)), "", namespace, ["a"])
        for identity, namespace in (
            ("billing", "team-a"),
            ("k6-cloud", "team-a"),
            ("billing", "team-b"),
        )
    ]

    answers = await asyncio.gather(*map(vault.decrypter.decrypt, calls))

    assert [shown(outcome) for (outcome,) in answers] == [
        b"of team-a",
        Answer.NOT_AUTHORIZED,
        Answer.NOT_FOUND,
    ]
    assert vault.heard.together == [3]


async def test_a_large_question_shares_with_nobody() -> None:
    vault = HeardVault()
    await vault.create("a", b"hunter2")
    many = [f"n{number}" for number in range(33)]

    await asyncio.gather(vault.decrypt("a"), vault.decrypt(*many), vault.decrypt("a"))

    assert sorted(vault.heard.together) == [1, 2]


async def test_values_that_would_be_too_much_together_are_read_in_parts() -> None:
    vault = HeardVault()
    names = [f"n{number}" for number in range(180)]
    for name in names:
        await vault.create(name, b"x" * VALUE_BYTES)
    calls = [names[start : start + 30] for start in range(0, 180, 30)]

    answers = await asyncio.gather(*(vault.decrypt(*call) for call in calls))

    assert answers == [dict.fromkeys(call, b"x" * VALUE_BYTES) for call in calls]
    assert vault.heard.together == [6]
    assert vault.counted.reads == [180, 90, 90]


async def test_one_whose_values_do_not_fit_spoils_nobodys_answer() -> None:
    vault = HeardVault()
    names = [f"n{number}" for number in range(200)]
    for name in names:
        await vault.create(name, b"x" * VALUE_BYTES)

    small, large = await asyncio.gather(
        vault.decrypt("n0"), vault.decrypt(*names), return_exceptions=True
    )

    assert small == {"n0": b"x" * VALUE_BYTES}
    assert isinstance(large, InvalidArgumentError)


async def test_a_question_that_metadata_does_not_answer_is_an_outage_not_a_refusal() -> None:
    vault = HeardVault()
    vault.heard.deaf = True

    with pytest.raises(UnavailableError):
        await vault.decrypt("a")
    assert vault.decisions.records == []
