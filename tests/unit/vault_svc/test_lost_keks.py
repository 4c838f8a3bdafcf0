"""A lost KEK: the vault starts without it if told to, and only what lies under it fails."""

import re

import pytest
from structlog.testing import capture_logs

from chassis.config import ConfigError, load_config
from chassis.errors import InvalidArgumentError
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.vault import Vault, a_write
from vault_svc.config import PREFIX, Config
from vault_svc.domain.keyring import DataKeyState, could_be_kek_id
from vault_svc.ports.data_keys import KekUsage
from vault_svc.ports.decisions import Answer
from vault_svc.ports.keks import Keks
from vault_svc.use_cases.kek_check import check_keks

LOST = frozenset({"kek-1"})


def after_the_loss(before: Vault) -> Vault:
    """The same installation with another KEK, started without the first one."""
    return Vault(
        rows=before.rows,
        clock=before.clock,
        metadata=before.known,
        kek=SwitchedKek(a_kek("kek-2")),
        lost=LOST,
    )


async def test_what_lay_under_a_lost_kek_fails_by_name_and_nothing_else_does() -> None:
    before = Vault()
    await before.create("old", b"hunter2")
    vault = after_the_loss(before)
    await vault.create("new", b"hunter3")

    answers = await vault.decrypt("old", "new", "absent")

    assert answers == {
        "old": Answer.DECRYPTION_FAILED,
        "new": b"hunter3",
        "absent": Answer.NOT_FOUND,
    }
    reasons = {
        name: record.reason for record in vault.decisions.records for name in record.names
    }
    assert "lost" in reasons["old"]


async def test_a_value_that_is_written_again_can_be_read_again() -> None:
    before = Vault()
    await before.create("a", b"hunter2")
    vault = after_the_loss(before)

    await vault.update("a", b"hunter3")

    assert await vault.decrypt("a") == {"a": b"hunter3"}


async def test_once_the_kek_is_found_everything_opens_again() -> None:
    before = Vault()
    await before.create("old", b"hunter2")
    during = after_the_loss(before)
    await during.create("new", b"hunter3")
    lost, current = during.rows.keys.values()
    assert (lost.key.state, current.key.state) == (DataKeyState.RETIRED, DataKeyState.ACTIVE)

    found = Vault(rows=during.rows, metadata=during.known, kek=before.kek)

    assert (await found.decrypt("old"))["old"] == b"hunter2"


async def test_a_create_under_an_idempotency_key_works_without_the_old_fingerprint_key() -> (
    None
):
    before = Vault()
    await before.create_once("k1", a_write("a"))
    vault = after_the_loss(before)

    made = [await vault.create_once("k2", a_write("b")) for _ in range(2)]

    assert made[0] == made[1]
    with pytest.raises(InvalidArgumentError):  # nothing can be told equal to what came before
        await vault.create_once("k1", a_write("a"))


async def test_two_replicas_that_start_without_it_at_once_agree() -> None:
    before = Vault()
    await before.create_once("k1", a_write("a"))
    one = after_the_loss(before)
    other = Vault(rows=one.rows, clock=one.clock, metadata=one.known, kek=one.kek, lost=LOST)

    await one.create_once("k2", a_write("b"))
    await other.create_once("k2", a_write("b"))
    await other.create("c")

    assert len([k for k in one.rows.keys.values() if k.key.state is DataKeyState.ACTIVE]) == 1


async def test_a_start_without_a_kek_is_refused_with_its_id_and_what_lies_under_it() -> None:
    vault = Vault()
    for namespace in ("team-a", "team-b"):
        await vault.data_keys.ready(namespace)

    found = await check_keks(vault.key_store, Keks(a_kek("kek-2")))

    (problem,) = found.problems
    assert problem.startswith("KEK kek-1: ")
    assert problem.endswith("2 data keys of 2 namespaces are under it")


async def test_a_declared_loss_is_no_problem_and_is_counted() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")

    found = await check_keks(vault.key_store, Keks(a_kek("kek-2")), ["kek-1"])

    assert (found.problems, found.lost) == ((), {"kek-1": KekUsage(1, 1)})


async def test_another_key_under_the_id_of_a_lost_kek_is_not_used() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")
    keks = Keks(a_kek("kek-2"), (a_kek("kek-1"),))

    found = await check_keks(vault.key_store, keks, ["kek-1"])

    assert found.problems == ()
    assert keks.without(found.lost).others == ()


async def test_the_active_kek_cannot_be_lost() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")

    found = await check_keks(vault.key_store, Keks(a_kek("kek-1")), ["kek-1"])

    (problem,) = found.problems
    assert "make another KEK" in problem


@pytest.mark.parametrize(
    ("declared", "event"),
    [
        ("kek-1", "a KEK that is declared lost is there and is used"),
        ("kek-9", "a KEK is declared lost that no data key names"),
    ],
)
async def test_a_declaration_without_effect_is_told(declared: str, event: str) -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")

    with capture_logs() as lines:
        found = await check_keks(vault.key_store, Keks(vault.kek), [declared])

    assert (found.problems, found.lost) == ((), {})
    assert [line["event"] for line in lines] == [event]


async def test_a_misspelt_id_does_not_let_a_start_through() -> None:
    vault = Vault()
    await vault.data_keys.ready("team-a")

    found = await check_keks(vault.key_store, Keks(a_kek("kek-2")), ["kek-l"])

    assert len(found.problems) == 1


async def test_a_row_that_names_what_no_kek_can_be_called_does_not_stop_a_start() -> None:
    vault = Vault(kek=SwitchedKek(a_kek("Not An Id, at all")))
    await vault.data_keys.ready("team-a")
    assert not could_be_kek_id(vault.kek.kek_id)

    with capture_logs() as lines:
        found = await check_keks(vault.key_store, Keks(a_kek("kek-2")))

    assert found.problems == ()
    assert [line["event"] for line in lines] == ["a data key is damaged"]
    assert "Not An Id" not in str(lines)


@pytest.mark.parametrize(
    "lost", ["LOCAL-1", "local 1", "kek-1,k\u00e9k", "kek-1;kek-2", "x" * 64, "a=="]
)
def test_a_declaration_that_is_no_kek_id_refuses_the_start_and_is_not_shown(lost: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(Config, PREFIX, {f"{PREFIX}KEKS_LOST": lost})

    (told,) = (p for p in error.value.problems if re.match(f"{PREFIX}KEKS_LOST ", p))
    assert "no KEK id" in told
    assert lost not in told


def test_declarations_may_be_repeated_and_spaced() -> None:
    with pytest.raises(ConfigError) as error:
        load_config(Config, PREFIX, {f"{PREFIX}KEKS_LOST": " kek-1 , kek-2,kek-1"})

    assert "KEKS_LOST" not in str(error.value)
