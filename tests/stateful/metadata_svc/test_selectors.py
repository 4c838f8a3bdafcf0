"""Whatever is selected: Postgres answers the page that the rules in memory answer."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.access import Scope
from metadata_svc.domain.listing import Order, Place, SortKey
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.selector import (
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    SelectedField,
    Selector,
    label_number,
    require_valid_selector,
)
from metadata_svc.ports.reader import PageQuery
from metadata_svc.postgres.ordered_pages import (
    PostgresOrderedPages,
    load_ordered_page_queries,
)
from metadata_svc.postgres.page_rows import page_from_rows
from metadata_svc.postgres.rows import secure_value_from_row
from metadata_svc.postgres.selection import MERGED_VALUES
from tests.contracts.metadata_svc.stores import Stores, put, put_keepers
from tests.fakes.metadata_svc.builders import NAMESPACE, NOON, a_keeper, a_secure_value
from tests.fakes.metadata_svc.stores import FakeDatabase, fake_stores
from tests.integration.metadata_svc.conftest import metadata_dsn, module_dsn, postgres_stores

__all__ = ["metadata_dsn", "module_dsn"]

KEYS = ("team", "env", "port", "grafana-app-sdk-resource-version")
VALUES = ("x", "y", "7", "007", "12", "9" * 19, f"{2**63 - 1}", "1" + "0" * 20, "v1", "")
MANY = tuple(f"v{number}" for number in range(MERGED_VALUES + 2))
NAMES = tuple(f"{first}{rest}" for first in "ab" for rest in ("", "-c", ".a", "1", "b", "z9"))
SEARCHES = ("a", "b", "c", "z", "a-", "a.a", "b1", "-", ".")
DECRYPTERS, KEEPERS = ("k6", "sm", "sm-2"), ("system", "aws", "aws-2")

keys = st.sampled_from(KEYS)
values = st.sampled_from(VALUES)
numbers = st.sampled_from([v for v in VALUES if label_number(v) is not None])
by_values = st.builds(
    LabelRequirement,
    keys,
    st.sampled_from([LabelOperator.IN, LabelOperator.NOT_IN]),
    st.one_of(
        st.lists(values, min_size=1, max_size=4).map(tuple),
        values.map(lambda value: (*MANY, value)),
    ),
)
by_presence = st.builds(
    LabelRequirement,
    keys,
    st.sampled_from([LabelOperator.EXISTS, LabelOperator.DOES_NOT_EXIST]),
)
by_number = st.builds(
    LabelRequirement,
    keys,
    st.sampled_from([LabelOperator.GREATER_THAN, LabelOperator.LESS_THAN]),
    numbers.map(lambda number: (number,)),
)
by_field = st.one_of(
    [
        st.builds(FieldRequirement, st.just(field), st.sampled_from(texts), st.booleans())
        for field, texts in (
            (SelectedField.NAME, (*NAMES, "nowhere")),
            (SelectedField.DECRYPTER, (*DECRYPTERS, "nobody")),
            (SelectedField.KEEPER, (*KEEPERS, "none")),
        )
    ]
)
selectors = st.builds(
    Selector,
    st.lists(st.one_of(by_values, by_presence, by_number), max_size=3).map(tuple),
    st.lists(by_field, max_size=2).map(tuple),
)
scopes = st.one_of(
    st.just(Scope(everything=True)),
    st.frozensets(st.sampled_from(NAMES)).map(lambda names: Scope(names=names)),
)
after_names = st.one_of(st.just(""), st.sampled_from(NAMES))
searches = st.sampled_from(["", "", *SEARCHES])
orders = st.builds(Order, st.sampled_from(SortKey), st.booleans())


def a_shelf(choice: random.Random) -> dict[str, dict[str, Any]]:
    """Most of the names, each with some labels, decrypters and a keeper."""
    present = choice.sample(NAMES, len(NAMES) - 3)
    return {
        name: {
            "labels": {
                key: choice.choice((*VALUES, *MANY[:2]))
                for key in choice.sample(KEYS, choice.randrange(len(KEYS) + 1))
            },
            "decrypters": tuple(choice.sample(DECRYPTERS, choice.randrange(3))),
            "keeper": choice.choice(KEEPERS),
            "created_at": NOON + timedelta(seconds=choice.randrange(4)),
            "updated_at": NOON + timedelta(seconds=choice.randrange(4)),
        }
        for name in present
    }


@dataclass
class Both:
    """The same rows in memory and on Postgres."""

    runner: asyncio.Runner
    memory: Stores
    postgres: Stores
    database: Database

    def fill(self, shelf: dict[str, dict[str, Any]]) -> None:
        made = [a_secure_value(name=name, **fields) for name, fields in shelf.items()]
        keepers = [
            a_keeper(name=name, labels=fields["labels"]) for name, fields in shelf.items()
        ]
        for stores in (self.memory, self.postgres):
            self.runner.run(put(stores, *made))
            self.runner.run(put_keepers(stores, *keepers))

    def agree(self, query: PageQuery) -> tuple[SecureValue, ...]:
        expected = self.runner.run(self.memory.secure_value_pages.page(query))
        assert self.runner.run(self.postgres.secure_value_pages.page(query)) == expected
        return expected.items

    def agree_page_after_page(self, query: PageQuery, max_rows: int) -> list[str]:
        """Postgres reads `max_rows` at most for a page; memory has as many as it needs."""
        every = replace(query, limit=len(NAMES))
        page = self.runner.run(self.memory.secure_value_pages.page(every))
        expected = [item.name for item in page.items]
        assert self.runner.run(self.all_names(query, max_rows)) == expected
        return expected

    async def all_names(self, query: PageQuery, max_rows: int) -> list[str]:
        pages = PostgresOrderedPages(self.database, load_ordered_page_queries(), max_rows)
        names: list[str] = []
        while True:
            rows = await pages.rows(query)
            page = page_from_rows(rows, query, secure_value_from_row)
            assert len(page.items) <= query.limit
            names += [item.name for item in page.items]
            if page.next is None:
                return names
            query = replace(query, after=page.next)

    def agree_on_keepers(self, query: PageQuery) -> None:
        expected = self.runner.run(self.memory.keeper_pages.page(query))
        assert self.runner.run(self.postgres.keeper_pages.page(query)) == expected


@pytest.fixture
def both(metadata_dsn: Sensitive[str]) -> Iterator[Both]:
    with asyncio.Runner() as runner:
        database = runner.run(
            Database.connect(metadata_dsn, application_name="selectors", connections=1)
        )
        memory, postgres = fake_stores(FakeDatabase()), postgres_stores(database)
        yield Both(runner, memory, postgres, database)
        runner.run(database.close())


@pytest.mark.parametrize("seed", range(3))
def test_a_page_on_postgres_is_the_page_in_memory(both: Both, seed: int) -> None:
    both.fill(a_shelf(random.Random(seed)))
    found: list[int] = []

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(selectors, scopes, after_names, st.integers(1, len(NAMES)))
    @example(Selector(), Scope(everything=True), "", 1)
    def agrees(selector: Selector, scope: Scope, after_name: str, limit: int) -> None:
        require_valid_selector(selector, frozenset(SelectedField))
        query = PageQuery(
            namespace=NAMESPACE,
            scope=scope,
            selector=selector,
            after=Place(after_name),
            limit=limit,
        )
        found.append(len(both.agree(query)))
        names = tuple(f for f in selector.fields if f.field is SelectedField.NAME)
        both.agree_on_keepers(replace(query, selector=Selector(selector.labels, names)))

    agrees()
    assert sum(1 for count in found if count) > len(found) / 10


@pytest.mark.parametrize("seed", range(3))
def test_ordered_pages_on_postgres_make_up_the_list_in_memory(both: Both, seed: int) -> None:
    both.fill(a_shelf(random.Random(seed)))
    found: list[int] = []
    rows = st.integers(1, len(NAMES))

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(selectors, scopes, searches, orders, rows, rows)
    def agrees(
        selector: Selector, scope: Scope, search: str, order: Order, limit: int, max_rows: int
    ) -> None:
        query = PageQuery(
            namespace=NAMESPACE,
            scope=scope,
            selector=selector,
            search=search,
            order=order,
            limit=limit,
        )
        found.append(len(both.agree_page_after_page(query, max_rows)))

    agrees()
    assert sum(1 for count in found if count) > len(found) / 10
