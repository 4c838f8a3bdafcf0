"""What is there to be decrypted and listed.

- Through the public API: 1 000 secure values that are decrypted, and 50 that are overwritten.
- By COPY: rows of metadata alone, so that tables and indexes have their real size. Their value
  ids lead to nothing in the vault; they are listed, never decrypted.
"""

import asyncio
import json
import ssl
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import httpx2

from chassis.clock import SystemClock
from tests.bench.under_test import DECRYPTER, NAMESPACE, StackUnderTest

WRITTEN = 50
VALUE_CHARACTERS = 64
CREATES_IN_FLIGHT = 8
COPIED_AT_ONCE = 50_000
FOUND = 200
CREATED = frozenset({201, 409})  # 409: by an earlier run that was broken off
KIND = "securevalues"
LABEL, SHARES = "team", 100

Row = tuple[object, ...]

TABLES = {
    "value_ids": ("namespace", "value_id", "state"),
    "names": ("namespace", "name", "last_version"),
    "secure_values": (
        *("namespace", "name", "uid", "resource_version", "generation", "version"),
        *("value_id", "keeper", "description", "decrypters", "labels", "annotations"),
        *("created_at", "created_by", "updated_at", "updated_by", "size_bytes"),
    ),
    "secure_value_labels": ("namespace", "label", "value", "name"),
    "secure_value_decrypters": ("namespace", "decrypter", "name"),
}

ADVANCE = """
INSERT INTO counters AS c (namespace, value) VALUES ($1, $2)
ON CONFLICT (namespace) DO UPDATE SET value = c.value + $2 RETURNING value
"""
PRESENT = "SELECT count(*) FROM secure_values WHERE namespace = $1 AND name LIKE $2"


def secret_name(number: int) -> str:
    return f"load-{number}"


def secret_names(count: int) -> list[str]:
    """The names that are decrypted."""
    return [secret_name(number) for number in range(count)]


def written_name(number: int) -> str:
    return f"load-write-{number}"


def filler_name(number: int) -> str:
    return f"filler-{number:06}"


def label_value(number: int) -> str:
    """One row in a hundred has it; its first row is that of the number."""
    return f"team-{number % SHARES}"


def decrypter_name(number: int) -> str:
    """One row in a hundred allows it, and all allow DECRYPTER."""
    return f"service-{number % SHARES}"


def value_of(name: str) -> str:
    """The value that `name` is created with; nothing secret about it."""
    return f"value of {name} ".ljust(VALUE_CHARACTERS, ".")


async def create_secrets(stack: StackUnderTest, count: int) -> None:
    """So many names to decrypt, and all that are overwritten, exist. Raises RuntimeError."""
    written = [written_name(number) for number in range(WRITTEN)]
    every = [*written, *secret_names(count)]
    names = iter(every)
    async with rest_client(stack) as http:
        if (await http.get(f"{KIND}/{every[-1]}")).status_code == FOUND:
            return  # an earlier run made them
        async with asyncio.TaskGroup() as creating:
            for _ in range(CREATES_IN_FLIGHT):
                creating.create_task(_create(http, names))


def rest_client(stack: StackUnderTest) -> httpx2.AsyncClient:
    """Speaks to the gateway as an administrator of the namespace."""
    return httpx2.AsyncClient(
        base_url=f"{stack.gateway}/apis/secret.grafana.app/v1beta1/namespaces/{NAMESPACE}/",
        verify=ssl.create_default_context(cafile=stack.ca),
        headers={"Authorization": f"Bearer {stack.writer.reveal()}"},
        timeout=30,
    )


async def _create(http: httpx2.AsyncClient, names: Iterator[str]) -> None:
    for name in names:
        spec = {"description": "seed", "value": value_of(name), "decrypters": [DECRYPTER]}
        body = {"metadata": {"name": name}, "spec": spec}
        answer = await http.post(KIND, json=body)
        if answer.status_code not in CREATED:
            raise RuntimeError(f"creating {name} was answered {answer.status_code}")


async def copy_rows(stack: StackUnderTest, count: int) -> None:
    """At least `count` rows without values are in the namespace, and the planner knows."""
    connection = await asyncpg.connect(stack.metadata_dsn.reveal())
    try:
        present = await connection.fetchval(PRESENT, NAMESPACE, "filler-%")
        if present < count:
            async with connection.transaction():
                for first in range(present, count, COPIED_AT_ONCE):
                    numbers = range(first, min(first + COPIED_AT_ONCE, count))
                    await _copy(connection, numbers)
            await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _copy(connection: "asyncpg.Connection[asyncpg.Record]", numbers: range) -> None:
    last = await connection.fetchval(ADVANCE, NAMESPACE, len(numbers))
    tables = _rows(numbers, last - len(numbers) + 1)
    for table, columns in TABLES.items():
        await connection.copy_records_to_table(table, records=tables[table], columns=columns)


def _rows(numbers: range, first_resource_version: int) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    for resource_version, number in enumerate(numbers, first_resource_version):
        name, value_id, team = filler_name(number), uuid4(), label_value(number)
        allowed = [DECRYPTER, decrypter_name(number)]
        numbers_of_row = (resource_version, 1, 1, value_id, "system")
        made = (SystemClock().now(), "user:load")
        rows["value_ids"].append((NAMESPACE, value_id, "claimed"))
        rows["names"].append((NAMESPACE, name, 1))
        rows["secure_values"].append(
            (
                *(NAMESPACE, name, uuid4(), *numbers_of_row, "a row without a value"),
                *(allowed, json.dumps({LABEL: team}), "{}", *made, *made, 200),
            )
        )
        rows["secure_value_labels"].append((NAMESPACE, LABEL, team, name))
        rows["secure_value_decrypters"] += [(NAMESPACE, who, name) for who in allowed]
    return rows
