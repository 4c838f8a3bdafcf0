"""A writer of one database: the decrypt fails loudly, nobody gets another's value."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Stack, a_canary, execute

FAILED = {"error_message": "decryption failed"}
SEALED_COLUMNS = ("wrapped_value_key", "sealed_value")


def value_id(stack: Stack, name: str) -> Any:
    query = "SELECT value_id FROM secure_values WHERE namespace = 'default' AND name = $1"
    return execute(stack.info["dsn"]["metadata"], query, name)[0]["value_id"]


def vault(stack: Stack, statement: str, *arguments: Any) -> Any:
    return execute(stack.info["dsn"]["vault"], statement, *arguments)


@pytest.mark.parametrize("columns", [SEALED_COLUMNS, ("sealed_value",), ("wrapped_value_key",)])
def test_two_swapped_rows_of_the_vault_do_not_open(
    stack: Stack, columns: tuple[str, ...]
) -> None:
    first, second = (f"swap-{len(columns)}-{columns[-1][0]}-{n}" for n in "ab")
    for name in (first, second):
        stack.create(name, a_canary())
    ids = [value_id(stack, name) for name in (first, second)]

    swap(stack, ids, columns)

    assert stack.decrypt([first, second]) == {first: FAILED, second: FAILED}


def swap(stack: Stack, ids: list[Any], columns: tuple[str, ...]) -> None:
    listed = ", ".join(columns)
    taken = ", ".join(f"other.{column}" for column in columns)
    vault(
        stack,
        f"UPDATE sealed_values AS row SET ({listed}) = ROW({taken}) FROM sealed_values AS other"
        " WHERE row.value_id = ANY($1) AND other.value_id = ANY($1)"
        " AND row.value_id <> other.value_id",
        ids,
    )


@pytest.mark.parametrize("column", SEALED_COLUMNS)
def test_a_flipped_byte_anywhere_does_not_open(stack: Stack, column: str) -> None:
    name = f"flip-{column.replace('_', '-')}"
    stack.create(name, a_canary())
    stored = value_id(stack, name)
    size = vault(
        stack, f"SELECT length({column}) FROM sealed_values WHERE value_id = $1", stored
    )

    survived = []
    for position in range(0, size[0]["length"], 7):
        flip(stack, stored, column, position)
        if stack.decrypt_here([name]) != {name: FAILED}:
            survived.append(position)
        flip(stack, stored, column, position)

    assert survived == []
    assert "value" in stack.decrypt_here([name])[name]


def flip(stack: Stack, stored: Any, column: str, position: int) -> None:
    vault(
        stack,
        f"UPDATE sealed_values SET {column} ="
        f" set_byte({column}, $2, get_byte({column}, $2) # 1) WHERE value_id = $1",
        stored,
        position,
    )


def test_a_name_pointed_at_another_names_value_does_not_open(stack: Stack) -> None:
    stack.create("victim", a_canary(), decrypters=["another"])
    stack.create("accomplice", a_canary())

    execute(
        stack.info["dsn"]["metadata"],
        "UPDATE secure_values SET value_id = $1 WHERE name = 'accomplice'",
        value_id(stack, "victim"),
    )

    assert stack.decrypt(["accomplice"]) == {"accomplice": FAILED}


def test_rows_copied_into_another_namespace_do_not_open(stack: Stack) -> None:
    stack.create("copied", a_canary())
    stored = value_id(stack, "copied")
    for table, condition in (
        (
            "data_keys",
            "data_key_id IN (SELECT data_key_id FROM sealed_values WHERE value_id=$1)",
        ),
        ("sealed_values", "value_id = $1"),
    ):
        copy_row(stack.info["dsn"]["vault"], table, condition, stored)
    for table in ("value_ids", "secure_values"):
        copy_row(stack.info["dsn"]["metadata"], table, "value_id = $1", stored)
    permission = ("--permission", "secret.grafana.app/securevalues:decrypt")
    token = stack.token(
        "--service-identity", "k6-cloud", *permission, "--namespace", "elsewhere"
    )

    answer = stack.decrypt(["copied"], token=token, namespace="elsewhere")

    assert answer == {"copied": FAILED}
    assert "value" in stack.decrypt(["copied"])["copied"]


def copy_row(dsn: str, table: str, condition: str, stored: Any) -> None:
    columns = [
        row["column_name"]
        for row in execute(
            dsn,
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1",
            table,
        )
    ]
    listed = ", ".join(columns)
    moved = ", ".join("'elsewhere'" if c == "namespace" else c for c in columns)
    execute(
        dsn,
        f"INSERT INTO {table} ({listed}) SELECT {moved} FROM {table} WHERE {condition}",
        stored,
    )


def test_an_erased_row_fails_for_that_value_alone(stack: Stack) -> None:
    value = a_canary()
    stack.create("erased", a_canary())
    stack.create("spared", value)

    vault(stack, "DELETE FROM sealed_values WHERE value_id = $1", value_id(stack, "erased"))

    assert stack.decrypt(["erased", "spared"]) == {"erased": FAILED, "spared": {"value": value}}


HOUR_SECONDS = "3600"
FULL_SWEEP_SECONDS = 1
# What a writer of metadata's database can make it say of a value.
LIES = {
    "refused": "state = 'refused', outcome = NULL",
    "released-long-ago": "state = 'released', released_at = 'epoch'",
    "released-before-time": "state = 'released', released_at = '-infinity'",
    "released-in-the-future": "state = 'released', released_at = 'infinity'",
    "erased": "state = 'erased', released_at = 'epoch'",
}
NAMES = ("deleted", *LIES)


@pytest.fixture
def keeping_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack whose recovery window is longer than any test."""
    settings = {
        "SPLITKEEP_VAULT_RECOVERY_WINDOW_SECONDS": HOUR_SECONDS,
        "SPLITKEEP_VAULT_SWEEP_INTERVAL_SECONDS": "0.3",
        "SPLITKEEP_VAULT_UNCLAIMED_AGE_SECONDS": "0",
        "SPLITKEEP_VAULT_FULL_SWEEP_INTERVAL_SECONDS": str(FULL_SWEEP_SECONDS),
    }
    with Stack(tmp_path / "state", **settings) as running:
        yield running


def test_a_writer_of_metadatas_database_alone_destroys_no_value_within_the_window(
    keeping_stack: Stack,
) -> None:
    values = {name: a_canary() for name in NAMES}
    for name, value in values.items():
        keeping_stack.create(name, value)
    ids = {name: value_id(keeping_stack, name) for name in NAMES}
    kept = keep_a_copy(keeping_stack)

    metadata(keeping_stack, "DELETE FROM secure_values")
    metadata(keeping_stack, "DELETE FROM value_ids WHERE value_id = $1", ids["deleted"])
    for name, lie in LIES.items():
        metadata(keeping_stack, f"UPDATE value_ids SET {lie} WHERE value_id = $1", ids[name])
    wait_for_full_sweeps(keeping_stack)

    assert held(keeping_stack) >= set(ids.values())
    put_back(keeping_stack, kept)
    assert keeping_stack.decrypt(list(values)) == {
        name: {"value": value} for name, value in values.items()
    }
    wait_for_full_sweeps(keeping_stack)
    scheduled = "SELECT value_id FROM sealed_values WHERE erase_at IS NOT NULL"
    assert vault(keeping_stack, scheduled) == []


def metadata(stack: Stack, statement: str, *arguments: Any) -> Any:
    return execute(stack.info["dsn"]["metadata"], statement, *arguments)


def held(stack: Stack) -> set[Any]:
    return {row["value_id"] for row in vault(stack, "SELECT value_id FROM sealed_values")}


def keep_a_copy(stack: Stack) -> tuple[str, ...]:
    """The tables, copied beside themselves; in the order in which they can be put back."""
    tables = ("value_ids", "secure_values")
    for table in tables:
        metadata(stack, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    return tables


def put_back(stack: Stack, tables: tuple[str, ...]) -> None:
    for table in reversed(tables):
        metadata(stack, f"DELETE FROM {table}")
    for table in tables:
        metadata(stack, f"INSERT INTO {table} SELECT * FROM kept_{table}")


def wait_for_full_sweeps(stack: Stack) -> None:
    """The vault has asked about everything, and erased whatever it would."""
    time.sleep(4 * FULL_SWEEP_SECONDS)
