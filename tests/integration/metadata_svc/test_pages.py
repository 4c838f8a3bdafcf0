"""Pages read what they must and no more."""

import dataclasses
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from chassis.postgres import Connection
from chassis.sensitive import Sensitive
from metadata_svc.postgres.reader import ReaderQueries, load_reader_queries
from tests.fakes.metadata_svc.builders import NOON
from tests.integration.metadata_svc.explaining import explained

ROWS = 100_000
PAGE = 100
# One team in ten and one decrypter in four; a page by either passes no row that does not match.
TEAMS, DECRYPTERS = 10, 4


@pytest.fixture
async def connection(metadata_dsn: Sensitive[str]) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(metadata_dsn.reveal())
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.slow
async def test_a_page_at_the_end_reads_no_more_than_one_at_the_start(
    connection: Connection,
) -> None:
    await _seed(connection)
    queries = load_reader_queries()
    names = [f"n{number:06}" for number in range(0, ROWS, 250)]

    for case, (statement, extra) in {
        "everything": (queries.page_of_namespace, ("{}", "")),
        "names": (queries.page_of_names, ("{}", "", names)),
        "label": (queries.page_of_label, ('{"team": "t3"}', "", "team", "t3")),
        "decrypter": (queries.page_of_decrypter, ("{}", "d1")),
    }.items():
        start = await _read(connection, statement, "", extra)
        end = await _read(connection, statement, f"n{ROWS - 3_000:06}", extra)
        assert end["rows"] <= start["rows"] <= 2 * (PAGE + 1), (case, start, end)
        assert end["buffers"] <= start["buffers"] * 1.1 + 5, (case, start, end)
        assert start["buffers"] <= 5 * (PAGE + 1), (case, start, end)

    found = await explained(connection, queries.locate, ("default", names))
    assert found["rows"] == len(names)
    assert found["buffers"] <= 5 * len(names)


async def _seed(connection: Connection) -> None:
    """100 000 secure values of one namespace, by COPY."""
    ids = [(uuid4(), number) for number in range(ROWS)]
    await connection.copy_records_to_table(
        "value_ids",
        records=[("default", value_id, "claimed") for value_id, _ in ids],
        columns=["namespace", "value_id", "state"],
    )
    await connection.copy_records_to_table(
        "secure_values",
        records=[
            (
                *("default", f"n{n:06}", value_id, n + 1, 1, 1, value_id, "system", "d"),
                *([f"d{n % DECRYPTERS}"], json.dumps({"team": f"t{n % TEAMS}"}), "{}"),
                *(NOON, "u", NOON, "u", 300),
            )
            for value_id, n in ids
        ],
        columns=[
            *("namespace", "name", "uid", "resource_version", "generation", "version"),
            *("value_id", "keeper", "description", "decrypters", "labels", "annotations"),
            *("created_at", "created_by", "updated_at", "updated_by", "size_bytes"),
        ],
    )
    await connection.copy_records_to_table(
        "secure_value_labels",
        records=[("default", "team", f"t{n % TEAMS}", f"n{n:06}") for _, n in ids],
        columns=["namespace", "label", "value", "name"],
    )
    await connection.copy_records_to_table(
        "secure_value_decrypters",
        records=[("default", f"d{n % DECRYPTERS}", f"n{n:06}") for _, n in ids],
        columns=["namespace", "decrypter", "name"],
    )
    await connection.execute(
        "VACUUM ANALYZE secure_values, secure_value_labels, secure_value_decrypters"
    )


async def _read(
    connection: Connection, statement: str, after: str, extra: tuple[object, ...]
) -> dict[str, int]:
    """Rows that scans produced or threw away, and buffers touched, by one execution."""
    arguments = ("default", after, PAGE + 1, 1_000_000, *extra)
    return await explained(connection, statement, arguments)


def test_every_page_statement_is_measured() -> None:
    pages = {f.name for f in dataclasses.fields(ReaderQueries) if f.name.startswith("page_")}

    assert pages == {"page_of_namespace", "page_of_names", "page_of_label", "page_of_decrypter"}
