"""Whoever writes to either database makes a decrypt fail, and never another's value appear."""

from uuid import uuid4

import pytest

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.fakes.vault_svc.vault import NAMESPACE, Vault, a_caller, a_write, shown
from vault_svc.ports.decisions import Answer
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore
from vault_svc.use_cases.decrypt import DecryptCall

FAILED = Answer.DECRYPTION_FAILED


@pytest.fixture
async def vault(values: PostgresSealedValueStore, keys: PostgresDataKeyStore) -> Vault:
    vault = Vault(values=values, keys=keys)
    await vault.create("a", b"value of a")
    await vault.create("b", b"value of b")
    return vault


async def opened(vault: Vault) -> dict[str, bytes | Answer]:
    """What a process that remembers the keys sees, and one that does not: the same."""
    fresh = Vault(
        values=vault.values,
        keys=vault.keys,
        kek=vault.kek,
        clock=vault.clock,
        metadata=vault.known,
    )
    seen = await vault.decrypt("a", "b")
    assert await fresh.decrypt("a", "b") == seen
    return seen


async def value_id(vault: Vault, name: str) -> str:
    return str(vault.known.live[NAMESPACE, name].value_id)


@pytest.mark.parametrize("column", ["sealed_value", "wrapped_value_key"])
async def test_a_column_swapped_between_two_rows_opens_neither(
    vault: Vault, database: Database, column: str
) -> None:
    await database.execute(
        f"UPDATE sealed_values SET {column} = other.{column} "
        "FROM sealed_values AS other WHERE other.value_id <> sealed_values.value_id"
    )

    assert await opened(vault) == {"a": FAILED, "b": FAILED}


async def test_two_rows_swapped_whole_open_neither(vault: Vault, database: Database) -> None:
    await database.execute(
        "UPDATE sealed_values SET sealed_value = other.sealed_value, "
        "wrapped_value_key = other.wrapped_value_key "
        "FROM sealed_values AS other WHERE other.value_id <> sealed_values.value_id"
    )

    assert await opened(vault) == {"a": FAILED, "b": FAILED}


async def test_ids_swapped_between_two_rows_open_neither(
    vault: Vault, database: Database
) -> None:
    a, b, between = await value_id(vault, "a"), await value_id(vault, "b"), str(uuid4())
    for old, new in ((a, between), (b, a), (between, b)):
        await database.execute(
            f"UPDATE sealed_values SET value_id = '{new}' WHERE value_id = '{old}'"
        )

    assert await opened(vault) == {"a": FAILED, "b": FAILED}


async def test_metadata_that_points_to_anothers_value_opens_nothing(vault: Vault) -> None:
    live = vault.known.live
    live[NAMESPACE, "a"] = live[NAMESPACE, "b"]

    assert await opened(vault) == {"a": FAILED, "b": b"value of b"}


async def test_rows_copied_to_another_namespace_open_nothing_there(
    vault: Vault, database: Database
) -> None:
    theirs = a_write("a", namespace="team-b")
    await vault.writes.write(theirs, Sensitive(b"theirs"))
    await database.execute(
        "INSERT INTO data_keys SELECT 'team-b', data_key_id, kek_id, 'retired', wrapped_key, "
        "created_at, wraps_reserved FROM data_keys WHERE namespace = 'team-a'"
    )
    await database.execute(
        "INSERT INTO sealed_values SELECT 'team-b', value_id, data_key_id, wrapped_value_key, "
        "sealed_value, stored_at FROM sealed_values WHERE namespace = 'team-a'"
    )
    live = vault.known.live
    live["team-b", "a"] = live[NAMESPACE, "a"]

    seen = await decrypt_in(vault, "team-b", "a")

    assert seen is FAILED


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("sealed_values", "sealed_value"),
        ("sealed_values", "wrapped_value_key"),
        ("data_keys", "wrapped_key"),
    ],
)
async def test_any_byte_flipped_fails_what_lies_under_it(
    vault: Vault, database: Database, table: str, column: str
) -> None:
    where = f"WHERE value_id = '{await value_id(vault, 'a')}'" if table != "data_keys" else ""
    size = (await database.fetch(f"SELECT length({column}) AS n FROM {table} {where}"))[0]["n"]
    untouched = b"value of b" if where else FAILED
    flip = (
        f"UPDATE {table} SET {column} = "
        f"set_byte({column}, $1::int, get_byte({column}, $1::int) # 1) {where}"
    )

    for place in range(size):
        await database.execute(flip, place)
        assert await opened(vault) == {"a": FAILED, "b": untouched}
        await database.execute(flip, place)

    assert await opened(vault) == {"a": b"value of a", "b": b"value of b"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sealed_values SET sealed_value = ''",
        "UPDATE sealed_values SET wrapped_value_key = ''",
        "UPDATE sealed_values SET sealed_value = wrapped_value_key",
        "UPDATE sealed_values SET sealed_value = sealed_value || '\\x00'",
        "UPDATE data_keys SET kek_id = 'another'",
        "UPDATE data_keys SET wrapped_key = '\\x31'",
        "DELETE FROM sealed_values",
    ],
)
async def test_whatever_else_is_written_opens_nothing(
    vault: Vault, database: Database, statement: str
) -> None:
    await database.execute(statement)

    assert await opened(vault) == {"a": FAILED, "b": FAILED}


async def test_every_failure_to_open_is_on_record(vault: Vault, database: Database) -> None:
    await database.execute("UPDATE sealed_values SET sealed_value = wrapped_value_key")

    await vault.decrypt("a")

    assert [record.reason for record in vault.decisions.records] == [
        "the value does not open: unknown format"
    ]


async def decrypt_in(vault: Vault, namespace: str, name: str) -> bytes | Answer:
    call = DecryptCall(a_caller(namespace=namespace), "", namespace, [name])
    (outcome,) = await vault.decrypter.decrypt(call)
    return shown(outcome)


@pytest.mark.parametrize(
    "change",
    [
        "sealed_value = repeat('x', 5000000)::bytea",
        "sealed_value = repeat('x', 40000)::bytea",
        "sealed_value = ''",
        "wrapped_value_key = repeat('x', 5000000)::bytea",
        "wrapped_value_key = ''",
    ],
)
async def test_a_row_that_was_made_huge_or_empty_fails_its_own_name_alone(
    vault: Vault, database: Database, change: str
) -> None:
    await database.execute(
        f"UPDATE sealed_values SET {change} WHERE value_id = '{await value_id(vault, 'a')}'"
    )

    assert await opened(vault) == {"a": FAILED, "b": b"value of b"}
