"""Pages read what they must and no more."""

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from chassis.postgres import Connection, Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.access import Scope
from metadata_svc.domain.listing import START, Order, Place, SortKey
from metadata_svc.postgres.ordered_pages import MAX_ROWS
from metadata_svc.postgres.pages import (
    PageQueries,
    PostgresSecureValuePages,
    load_page_queries,
)
from metadata_svc.postgres.reader import load_reader_queries
from metadata_svc.postgres.stores import PostgresStores
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

CREATED, UPDATED = "secure_values_created", "secure_values_updated"
SUFFIX = "secure_value_suffixes_pkey"
ORDERS = [Order(key, descending) for key in SortKey for descending in (False, True)]
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
    yield PostgresStores.on(database).secure_value_pages
    await database.close()


@pytest.mark.slow
async def test_a_page_at_the_end_reads_no_more_than_one_at_the_start(
    connection: Connection, pages: PostgresSecureValuePages
) -> None:
    for text, (index, passed) in LED.items():
        for explain in (explained, explained_when_used_to_it):
            works: list[Work] = []
            for after in ("", f"n{ROWS - 30_000:06}"):
                query = a_query(selector=parsed(text), after=Place(after), limit=PAGE)
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
@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_an_order_is_walked_no_further_than_a_page(
    connection: Connection, pages: PostgresSecureValuePages, order: Order
) -> None:
    index = {SortKey.NAME: NAME, SortKey.CREATED: CREATED, SortKey.MODIFIED: UPDATED}[order.key]
    for after in START, place_of(ROWS - 30_000, order):
        query = a_query(order=order, after=after, search="n", limit=PAGE)
        statement, parameters = pages.ordered.walked(query)
        for explain in (explained, explained_when_used_to_it):
            work = await explain(connection, statement, parameters)
            case = (after, explain.__name__, work)
            assert work.indexes == {index, NAME}, case
            assert work.rows <= 4 * (PAGE + 1) + 10, case
            assert work.buffers <= 8 * (PAGE + 1), case


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_a_walk_ends_where_it_has_passed_enough(
    connection: Connection, pages: PostgresSecureValuePages, order: Order
) -> None:
    query = a_query(order=order, search="nowhere", limit=PAGE)
    statement, parameters = pages.ordered.walked(query)
    for explain in (explained, explained_when_used_to_it):
        work = await explain(connection, statement, parameters)
        assert work.rows <= 2 * MAX_ROWS, work
        assert work.buffers <= MAX_ROWS / 10, work


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        ("n00001", "", SUFFIX, 10),
        ("n0012", "", SUFFIX, 100),
        ("n001", "", SUFFIX, 1000),
        ("", "group=g3", LABEL, 1000),
        ("", "group in (g3,g5)", LABEL, 2000),
        ("", "keeper=aws", KEEPER, 2000),
        ("n001", "team=t3", SUFFIX, 1000),
    ],
)
@pytest.mark.parametrize("order", ORDERS[::3], ids=str)
async def test_what_is_gathered_is_found_by_an_index_and_looked_up_one_by_one(
    connection: Connection,
    pages: PostgresSecureValuePages,
    case: tuple[str, str, str, int],
    order: Order,
) -> None:
    search, selector, index, named = case
    query = a_query(order=order, search=search, selector=parsed(selector), limit=PAGE)
    requirement = next(iter(pages.ordered.requirements(query)))
    statement, parameters = pages.ordered.gathered(query, requirement)
    looked_up = min(named, PAGE + 1) if order.key is SortKey.NAME and not selector else named
    for explain in (explained, explained_when_used_to_it):
        work = await explain(connection, statement, parameters)
        seen = (explain.__name__, work)
        assert work.indexes == {index, NAME}, seen
        assert work.rows <= 4 * named + 10 * looked_up + 20, seen
        assert work.buffers <= 5 * looked_up + named / 2 + 50, seen


@pytest.mark.slow
async def test_too_many_are_not_looked_up(
    connection: Connection, pages: PostgresSecureValuePages
) -> None:
    query = a_query(order=Order(SortKey.CREATED), selector=parsed("team"), limit=PAGE)
    requirement = next(iter(pages.ordered.requirements(query)))
    statement, parameters = pages.ordered.gathered(query, requirement)
    for explain in (explained, explained_when_used_to_it):
        work = await explain(connection, statement, parameters)
        assert work.rows <= 3 * MAX_ROWS, work
        assert work.buffers <= MAX_ROWS / 10, work


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


def place_of(number: int, order: Order) -> Place:
    """That of one row."""
    times = {SortKey.CREATED: number, SortKey.MODIFIED: (number * 7919) % ROWS}
    seconds = times.get(order.key)
    time = None if seconds is None else NOON + timedelta(seconds=seconds)
    return Place(f"n{number:06}", time)


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
                *(NOON + timedelta(seconds=n), "u"),
                *(NOON + timedelta(seconds=(n * 7919) % ROWS), "u", 300),
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
        "VACUUM ANALYZE secure_values, secure_value_labels, secure_value_decrypters, "
        "secure_value_suffixes"
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
