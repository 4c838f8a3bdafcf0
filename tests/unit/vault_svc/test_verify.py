"""Every value is opened and none is shown; what does not fit is told by id and reason."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chassis.config import StartRefusedError
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.stores import ValueRow
from tests.fakes.vault_svc.vault import NAMESPACE, Vault
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.keyring import DataKeyState
from vault_svc.domain.sealing import DataKey
from vault_svc.offline import expected_values
from vault_svc.ports.keks import Keks
from vault_svc.ports.metadata import ValueState
from vault_svc.ports.values import ValueKey
from vault_svc.use_cases.unwrapped_keys import CacheBounds, KeyKind, UnwrappedKeys
from vault_svc.use_cases.verify import MAXIMUM_SEALED_BYTES, Expected, Flaw, Tally, Verify

Found = dict[ValueKey, Flaw]


async def verified(vault: Vault, *expected: Expected) -> tuple[Tally, Found]:
    """What is found; without `expected`, as metadata lists its values."""
    found: Found = {}
    keks = Keks(vault.kek)
    data_keys = UnwrappedKeys(
        KeyKind(KeyPurpose.SEAL, DataKey.of), keks=keks, clock=vault.clock, bounds=CacheBounds()
    )
    verify = Verify(vault.value_store, keks, data_keys, found.__setitem__)
    tally = await verify.all(iter(expected or listed(vault)))
    assert sum(tally.flaws.values()) == len(found)
    return tally, found


def listed(vault: Vault) -> list[Expected]:
    names = {ValueKey(ns, live.value_id): name for (ns, name), live in vault.known.live.items()}
    released = [k for k, row in vault.known.ids.items() if row.state is ValueState.RELEASED]
    return sorted(Expected(key, names.get(key)) for key in {*names, *released})


async def a_vault(*names: str) -> Vault:
    vault = Vault()
    for name in names:
        await vault.create(name, b"hunter2")
    return vault


def key_of(vault: Vault, name: str) -> ValueKey:
    return ValueKey(NAMESPACE, vault.known.live[NAMESPACE, name].value_id)


def alter(vault: Vault, name: str, **sealed: Any) -> None:
    key = key_of(vault, name)
    row = vault.rows.values[key]
    vault.rows.values[key] = replace(row, sealed=row.sealed._replace(**sealed))


def alter_data_key(vault: Vault, **changes: Any) -> None:
    for record in list(vault.rows.keys.values()):
        vault.rows.put_key(replace(record, key=replace(record.key, **changes)))


async def test_values_that_open_are_counted() -> None:
    vault = await a_vault("a", "b", "c")
    await vault.update("a", b"newer")
    vault.known.delete(NAMESPACE, "b")

    tally, found = await verified(vault)

    assert (tally.opened, tally.released, found) == (2, 2, {})


async def test_an_empty_installation_is_whole() -> None:
    tally, found = await verified(Vault())

    assert (tally, found) == (Tally(), {})


async def test_a_value_that_is_not_there_is_missing_and_a_released_one_is_not_missed() -> None:
    vault = await a_vault("a", "b", "c")
    missing = key_of(vault, "a")
    released = key_of(vault, "b")
    vault.known.delete(NAMESPACE, "b")
    for key in (missing, released):
        del vault.rows.values[key]

    tally, found = await verified(vault)

    assert (tally.opened, tally.released, found) == (1, 0, {missing: Flaw.MISSING})


@pytest.mark.parametrize("column", ["sealed_value", "wrapped_value_key"])
async def test_a_flipped_byte_does_not_open(column: str) -> None:
    vault = await a_vault("a", "b")
    row = vault.rows.values[key_of(vault, "a")]
    *kept, last = getattr(row.sealed, column)
    alter(vault, "a", **{column: bytes((*kept, last ^ 1))})

    _, found = await verified(vault)

    assert found == {key_of(vault, "a"): Flaw.DOES_NOT_OPEN}


async def test_a_value_under_another_name_does_not_open() -> None:
    vault = await a_vault("a")

    _, found = await verified(vault, Expected(key_of(vault, "a"), "b"))

    assert found == {key_of(vault, "a"): Flaw.DOES_NOT_OPEN}


async def test_of_a_released_value_the_keys_are_tried() -> None:
    vault = await a_vault("a")
    key = key_of(vault, "a")
    alter(vault, "a", wrapped_value_key=bytes(61))
    vault.known.delete(NAMESPACE, "a")

    _, found = await verified(vault)

    assert found == {key: Flaw.DOES_NOT_OPEN}


@pytest.mark.parametrize("size", [0, 29, MAXIMUM_SEALED_BYTES + 1])
async def test_a_size_that_no_sealed_value_has_is_told(size: int) -> None:
    vault = await a_vault("a")
    alter(vault, "a", sealed_value=bytes(size))

    _, found = await verified(vault)

    assert found == {key_of(vault, "a"): Flaw.SIZE}


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"state": DataKeyState.DISABLED}, Flaw.DATA_KEY_DISABLED),
        ({"state": DataKeyState.DESTROYED, "wrapped_key": b""}, Flaw.DATA_KEY_MISSING),
        ({"kek_id": "kek-2"}, Flaw.KEK_MISSING),
        ({"wrapped_key": bytes(61)}, Flaw.DATA_KEY_DAMAGED),
        ({"purpose": KeyPurpose.FINGERPRINT}, Flaw.DATA_KEY_DAMAGED),
    ],
)
async def test_what_is_wrong_with_a_data_key_is_told_of_its_values(
    changes: dict[str, Any], flaw: Flaw
) -> None:
    vault = await a_vault("a")
    alter_data_key(vault, **changes)

    _, found = await verified(vault)

    assert found == {key_of(vault, "a"): flaw}


async def test_a_value_without_its_data_key_is_told() -> None:
    vault = await a_vault("a")
    vault.rows.keys.clear()

    _, found = await verified(vault)

    assert found == {key_of(vault, "a"): Flaw.DATA_KEY_MISSING}


async def test_another_kek_under_the_same_id_opens_nothing() -> None:
    vault = await a_vault("a")
    vault.kek = SwitchedKek(a_kek(vault.kek.kek_id))

    _, found = await verified(vault)

    assert found == {key_of(vault, "a"): Flaw.DATA_KEY_DAMAGED}


async def test_a_value_that_metadata_does_not_know_is_told_unless_it_is_to_be_erased() -> None:
    vault = await a_vault("a", "b", "c")
    orphan, waiting = sorted(vault.rows.values)[0::2]
    row: ValueRow = vault.rows.values[waiting]
    vault.rows.values[waiting] = replace(row, erase_at=vault.clock.now())
    expected = [each for each in listed(vault) if each.key not in {orphan, waiting}]

    tally, found = await verified(vault, *expected)

    assert (tally.opened, tally.awaiting_erasure) == (1, 1)
    assert found == {orphan: Flaw.UNKNOWN}


async def test_more_than_a_page_is_compared_from_end_to_end() -> None:
    vault = await a_vault(*(f"n{number}" for number in range(250)))
    keys = sorted(vault.rows.values)
    expected = listed(vault)
    for gone in (keys[0], keys[100], keys[249]):
        del vault.rows.values[gone]
    unknown = {keys[1], keys[99], keys[248]}

    _, found = await verified(vault, *(each for each in expected if each.key not in unknown))

    assert found == dict.fromkeys((keys[0], keys[100], keys[249]), Flaw.MISSING) | (
        dict.fromkeys(unknown, Flaw.UNKNOWN)
    )


FIRST = {"namespace": "a", "valueId": str(UUID(int=1)), "state": "claimed", "name": "n"}
SECOND = {"namespace": "a", "valueId": str(UUID(int=2)), "state": "released"}


def read(tmp_path: Path, *lines: object) -> list[Expected]:
    path = tmp_path / "values.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return list(expected_values(str(path)))


def test_a_list_is_read_up_to_the_line_that_counts_it(tmp_path: Path) -> None:
    assert read(tmp_path, FIRST, SECOND, {"count": 2}) == [
        Expected(ValueKey("a", UUID(int=1)), "n"),
        Expected(ValueKey("a", UUID(int=2)), None),
    ]
    assert read(tmp_path, {"count": 0}) == []


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "cut off"),
        ([FIRST], "cut off"),
        ([FIRST, {"count": 2}], "line 2 does not count"),
        ([{"count": 0}, FIRST], "line 1 must be the last"),
        ([SECOND, FIRST, {"count": 2}], "line 2 is not in the order"),
        ([FIRST, FIRST, {"count": 2}], "line 2 is not in the order"),
        ([FIRST | {"valueId": "x"}], "line 1 must have a valueId"),
        ([FIRST | {"namespace": 1}], "line 1 must have a namespace"),
        ([FIRST | {"state": "erased"}], "line 1 must have the state"),
        ([FIRST | {"state": ["claimed"]}], "line 1 must have the state"),
        ([FIRST | {"state": {}}], "line 1 must have the state"),
        ([FIRST | {"name": "\ud800"}], "line 1 is not one unambiguous"),
        ([FIRST | {"namespace": "\ud800"}], "line 1 is not one unambiguous"),
        ([{"count": 0.0}], "line 1 does not count"),
        ([SECOND | {"name": "n"}], "line 1 must have a name if"),
        ([FIRST | {"name": None}], "line 1 must have a name if"),
        ([[]], "line 1 is not a JSON object"),
        ([FIRST | {"more": "x" * 70_000}], "line 1 is longer than"),
    ],
)
def test_a_list_that_is_none_is_refused_by_line(
    tmp_path: Path, lines: list[object], problem: str
) -> None:
    with pytest.raises(StartRefusedError) as error:
        read(tmp_path, *lines)

    (told,) = error.value.problems
    assert problem in told


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartRefusedError, match="cannot be read: FileNotFoundError"):
        list(expected_values(str(tmp_path / "absent")))
