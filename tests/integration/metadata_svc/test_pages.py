"""Pages read what they must and no more."""

import dataclasses
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from chassis.postgres import Connection, Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.access import Scope
from metadata_svc.postgres.pages import (
    PageQueries,
    PostgresSecureValuePages,
    load_page_queries,
)
from metadata_svc.postgres.reader import load_reader_queries
from tests.contracts.metadata_svc.pages import a_query, parsed
from tests.fakes.metadata_svc.builders import NOON
from tests.integration.explaining import (
    Work,
    explained,
    explained_for_any_arguments,
    explained_when_used_to_it,
)

ROWS = 100_000
PAGE = 100
TEAMS, GROUPS, DECRYPTERS, KEPT_ELSEWHERE = 10, 100, 4, 50
NAMES = Scope(names=frozenset(f"n{number:06}" for number in range(0, ROWS, 250)))

LABEL, ANY_VALUE = "secure_value_labels_pkey", "secure_value_labels_names"
DECRYPTER, KEEPER = "secure_value_decrypters_pkey", "secure_values_kept"
NAME = "secure_values_pkey"
# What leads a page of each selector; the rows that it passes for each that it finds.
LED = {
    "": (NAME, 1),
    "team!=t3": (NAME, 2),
    "team=t3": (LABEL, 2),
    "group=g3": (LABEL, 2),
    "group in (g3)": (LABEL, 2),
    "group in (g3,g5)": (LABEL, 3),
    "group in (g1,g2,g3,g4,g5,g6,g7,g8)": (LABEL, 9),
    f"group in ({','.join(f'g{number}' for number in range(20))})": (ANY_VALUE, 2 + 100 / 20),
    "team": (ANY_VALUE, 2),
    "number>989": (ANY_VALUE, 2 + 100),
    "decrypter=d1": (DECRYPTER, 2),
    "keeper=aws": (KEEPER, 1),
    "keeper=system": (NAME, 1),  # nearly all
    "team=t3,group=g3": (LABEL, 2),
    "group=g3,team=t3": (LABEL, 2),
    "team,group=g3": (LABEL, 2),
    "decrypter=d1,group=g5": (LABEL, 2),
    "keeper=aws,team=t0": (KEEPER, 1),
    "team in (t3,t4),decrypter=d3,group=g3": (LABEL, 2),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seeded_dsn(module_dsn: Sensitive[str]) -> Sensitive[str]:
    """The module's database, with everything in it."""
    connection = await asyncpg.connect(module_dsn.reveal())
    await _seed(connection)
    await connection.close()
    return module_dsn


@pytest.fixture
async def connection(seeded_dsn: Sensitive[str]) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(seeded_dsn.reveal())
    yield connection
    await connection.close()


@pytest.fixture
async def pages(seeded_dsn: Sensitive[str]) -> AsyncIterator[PostgresSecureValuePages]:
    database = await Database.connect(seeded_dsn, application_name="test", connections=1)
    yield PostgresSecureValuePages(database, load_page_queries())
    await database.close()


@pytest.mark.slow
async def test_a_page_at_the_end_reads_no_more_than_one_at_the_start(
    connection: Connection, pages: PostgresSecureValuePages
) -> None:
    for text, (index, passed) in LED.items():
        for explain in (explained, explained_when_used_to_it):
            works: list[Work] = []
            for after in ("", f"n{ROWS - 30_000:06}"):
                query = a_query(selector=parsed(text), after_name=after, limit=PAGE)
                asked = await pages.asked(query)
                works.append(await explain(connection, asked.statement, asked.parameters))
            start, end = works
            case = (text, explain.__name__, start, end)
            rows_of = set() if index == KEEPER else {NAME}
            assert start.indexes == end.indexes == {index} | rows_of, case
            for work in works:
                assert work.rows <= 1.2 * passed * (PAGE + 1) + 10, case
            assert end.buffers <= start.buffers * 1.2 + 10, case
            assert start.buffers <= 6 * (PAGE + 1) + 2 * passed * (PAGE + 1), case


@pytest.mark.slow
async def test_names_are_looked_up_one_by_one(
    connection: Connection, pages: PostgresSecureValuePages
) -> None:
    for explain in (explained, explained_when_used_to_it):
        query = a_query(scope=NAMES, limit=PAGE)
        asked = await pages.asked(query)
        work = await explain(connection, asked.statement, asked.parameters)
        assert work.indexes == {NAME}
        assert work.rows == PAGE + 1
        assert work.buffers <= 5 * (PAGE + 1)


@pytest.mark.slow
async def test_names_are_located_one_by_one(connection: Connection) -> None:
    locate = load_reader_queries().locate
    for explain in (explained, explained_when_used_to_it, explained_for_any_arguments):
        for count in (1, 10, 100, 1000):
            names = [f"n{number:06}" for number in range(0, ROWS, ROWS // count)]
            arguments = (" ".join(["default"] * count), " ".join(names))
            work = await explain(connection, locate, arguments)
            assert work.indexes == {NAME}
            assert work.rows == count
            assert work.buffers <= 5 * count


@pytest.mark.slow
async def test_it_costs_little_to_know_what_leads(connection: Connection) -> None:
    candidates = 16
    arguments = (
        *("default", "", 200, ["team"] * candidates, ["t3"] * candidates),
        *([None] * candidates, [None] * candidates, [None] * candidates),
    )
    work = await explained(connection, load_page_queries().reaches, arguments)

    assert work.rows <= candidates * 201
    assert work.indexes == {LABEL}


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
                *("default", f"n{n:06}", value_id, n + 1, 1, 1, value_id),
                *("system" if n % KEPT_ELSEWHERE else "aws", "d"),
                *([f"d{n % DECRYPTERS}"], json.dumps(_labels(n)), "{}"),
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
        records=[
            ("default", label, value, f"n{n:06}")
            for _, n in ids
            for label, value in _labels(n).items()
        ],
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


def _labels(number: int) -> dict[str, str]:
    return {
        "team": f"t{number % TEAMS}",
        "group": f"g{number % GROUPS}",
        "number": f"{number % 1000}",
    }


def test_every_statement_is_measured() -> None:
    assert {field.name for field in dataclasses.fields(PageQueries)} == {
        *("page_of_namespace", "page_of_names", "page_of_label", "page_of_values"),
        *("page_of_any_value", "page_of_decrypter", "page_of_keeper", "reaches"),
        "page_of_keepers",  # of which there are few
    }
