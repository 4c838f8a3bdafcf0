"""A row that nobody can read fails alone, whatever is in it, and it can be deleted."""

import json
from typing import Any

import pytest
import structlog

from chassis.errors import NotFoundError, UnavailableError
from chassis.postgres import Database
from metadata_svc.domain.access import Decision, Scope
from metadata_svc.domain.listing import Place
from metadata_svc.domain.resource import DamagedObjectError, Kind
from metadata_svc.domain.selector import LabelOperator, LabelRequirement, Selector
from metadata_svc.ports.changes import ChangesQuery
from metadata_svc.use_cases.delete_pages import DeletePageRequest, DeletePages
from metadata_svc.use_cases.lists import ListRequest, Lists
from metadata_svc.use_cases.resolve import Question
from tests.contracts.metadata_svc.application import Application, described
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import NAMESPACE, a_caller, a_draft, a_keeper_draft

EVERY_CHANGE = ChangesQuery(
    namespace=NAMESPACE, scope=Scope(everything=True), after=0, limit=10
)
NAMES = ("a", "b", "c", "d")
OWNER = {"manager": "m", "operation": "Update", "api_version": "v1", "at": "2026-01-01T00:00Z"}


def owners(**changes: Any) -> str:
    owner = {**OWNER, "fields": ["spec.description"], **changes}
    return f"field_owners = '{json.dumps([owner])}'"


# What makes a row of either kind unreadable.
OF_EITHER_KIND = {
    "labels that are a list": "labels = '[]'",
    "labels that are a number": "labels = '1'",
    "labels that are null": "labels = 'null'",
    "labels with a number": """labels = '{"team": 1}'""",
    "labels with an object": """labels = '{"team": {"a": "b"}}'""",
    "huge labels": "labels = jsonb_build_object('a', repeat('x', 3000000))",
    "annotations that are a text": """annotations = '"x"'""",
    "annotations with null": """annotations = '{"a": null}'""",
    "deep annotations": "annotations = (repeat('[', 5000) || repeat(']', 5000))::jsonb",
    "many annotations": (
        "annotations = (SELECT jsonb_object_agg('a' || n, md5(n::text)) "
        "FROM generate_series(1, 60000) AS n)"
    ),
    "a huge description": "description = repeat('x', 3000000)",
    "a huge description whose size is told wrong": (
        "description = repeat('x', 3000000), size_bytes = 1"
    ),
    "a huge author": "created_by = repeat('x', 3000000)",
    "field owners that are an object": "field_owners = '{}'",
    "field owners that are texts": """field_owners = '["x"]'""",
    "an owner without fields": "field_owners = '[{}]'",
    "an owner of an unknown operation": owners(operation="Guess"),
    "an owner with another time": owners(at="noon"),
    "an owner with a number": owners(manager=1),
    "an owner of fields that are none": owners(fields=[1]),
    "a time that never ends": "updated_at = 'infinity'",
    "a time before all others": "created_at = '-infinity'",
    "a time before the first year": "created_at = '4000-01-01 BC'",
    "a time after the last year": "updated_at = '20000-01-01'",
}
OF_SECURE_VALUES = {
    "decrypters of two dimensions": "decrypters = '{{a,b},{c,d}}'",
    "decrypters with null": "decrypters = '{a,NULL}'",
    "huge decrypters": (
        "decrypters = (SELECT array_agg(md5(n::text)) FROM generate_series(1, 100000) AS n)"
    ),
} | OF_EITHER_KIND
OF_KEEPERS = {
    "a configuration that is a list": "config = '[]'",
    "a role that is none": """config = '{"assume_role": {"x": 1}}'""",
    "a region that is a number": """config = '{"region": 1}'""",
    "a huge configuration": "config = jsonb_build_object('region', repeat('x', 3000000))",
} | OF_EITHER_KIND


async def damage(database: Database, table: str, change: str, name: str = "b") -> None:
    # The texts are those of this file.
    done = await database.execute(f"UPDATE {table} SET {change} WHERE name = '{name}'")
    assert done == "UPDATE 1"


@pytest.fixture
async def filled(application: Application) -> Application:
    for name in NAMES:
        await application.create(a_draft(name=name))
    return application


@pytest.mark.parametrize("case", OF_SECURE_VALUES)
async def test_a_damaged_secure_value_is_left_out_of_lists_and_named(
    filled: Application, database: Database, case: str
) -> None:
    await damage(database, "secure_values", OF_SECURE_VALUES[case])

    with structlog.testing.capture_logs() as logged:
        page = await filled.lists.page(a_caller(), ListRequest(namespace=NAMESPACE))

    assert ([item.name for item in page.items], page.damaged) == (["a", "c", "d"], ("b",))
    assert [(line["log_level"], line["name"]) for line in logged] == [("error", "b")]
    assert not page.more


@pytest.mark.parametrize("case", OF_SECURE_VALUES)
async def test_pages_go_on_past_a_damaged_secure_value(
    filled: Application, database: Database, case: str
) -> None:
    await damage(database, "secure_values", OF_SECURE_VALUES[case])
    found, after, more = [], "", True

    while more:
        asked = ListRequest(namespace=NAMESPACE, page_size=1, after=Place(after))
        page = await filled.lists.page(a_caller(), asked)
        found += [item.name for item in page.items]
        after, more = found[-1], page.more

    assert found == ["a", "c", "d"]


@pytest.mark.parametrize("case", OF_SECURE_VALUES)
async def test_a_damaged_secure_value_alone_is_not_read_and_can_be_deleted(
    filled: Application, database: Database, case: str
) -> None:
    await damage(database, "secure_values", OF_SECURE_VALUES[case])

    with pytest.raises(DamagedObjectError):
        await filled.get("b")
    await filled.delete(NAMESPACE, "b")

    with pytest.raises(NotFoundError):
        await filled.get("b")
    # Nothing of it is in the way of another of its name.
    assert (await filled.create(a_draft(name="b"))).version == 2


async def test_a_damaged_secure_value_is_not_written_over(
    filled: Application, database: Database
) -> None:
    await damage(database, "secure_values", "labels = '[]'")

    with pytest.raises(UnavailableError):
        await filled.edit(described(a_draft(name="b"), "another"))


@pytest.mark.parametrize("case", OF_SECURE_VALUES)
async def test_a_collection_is_deleted_with_what_is_damaged_in_it(
    filled: Application, database: Database, stores: Stores, case: str
) -> None:
    await damage(database, "secure_values", OF_SECURE_VALUES[case])
    deletes = DeletePages(
        kind=Kind.SECURE_VALUE,
        pages=stores.secure_value_pages,
        deletes=filled.edits,
        replication=stores.replication,
    )

    deleted = await deletes.page(a_caller(), DeletePageRequest(namespace=NAMESPACE))

    assert deleted.names == NAMES


async def test_of_a_page_of_damaged_rows_only_what_comes_after_them_is_listed(
    filled: Application, database: Database
) -> None:
    for name in ("a", "b", "c"):
        await damage(database, "secure_values", "labels = '[]'", name)

    asked = ListRequest(namespace=NAMESPACE, page_size=2)
    page = await filled.lists.page(a_caller(), asked)

    assert ([item.name for item in page.items], page.damaged) == (["d"], ("a", "b", "c"))


@pytest.mark.parametrize("case", OF_SECURE_VALUES)
async def test_a_damaged_secure_value_does_not_keep_others_from_being_decrypted(
    filled: Application, database: Database, case: str
) -> None:
    await damage(database, "secure_values", OF_SECURE_VALUES[case])

    ((first, _, third, _),) = await filled.names.resolve(
        [Question(NAMESPACE, NAMES, "synthetic-monitoring")]
    )

    assert (first.decision, third.decision) == (Decision.ALLOWED, Decision.ALLOWED)


@pytest.mark.parametrize("value", ["9" * 200_000, "9" * 64, "-1", "x"])
async def test_a_label_that_is_no_number_is_no_number_to_a_selector(
    filled: Application, database: Database, value: str
) -> None:
    await database.execute(
        "UPDATE secure_values SET labels = jsonb_build_object('n', $1::text) WHERE name = 'b'",
        value,
    )
    greater = LabelRequirement("n", LabelOperator.GREATER_THAN, ("1",))
    asked = ListRequest(namespace=NAMESPACE, selector=Selector(labels=(greater,)))

    page = await filled.lists.page(a_caller(), asked)

    assert page.items == ()


CHANGED = {
    "no object": "object = '[]'",
    "an empty object": "object = '{}'",
    "a huge one": "object = jsonb_build_object('a', (SELECT string_agg(md5(n::text), '') "
    "FROM generate_series(1, 100000) AS n))",
    "another uid": "object = object || '{\"uid\": 1}'",
    "labels of numbers": 'object = object || \'{"labels": {"a": 1}}\'',
    "a version that is none": 'object = object || \'{"resource_version": "x"}\'',
}


@pytest.mark.parametrize("case", CHANGED)
async def test_a_damaged_change_is_passed_over_by_those_who_watch(
    filled: Application, database: Database, stores: Stores, case: str
) -> None:
    await database.execute(
        f"UPDATE changes SET {CHANGED[case]} WHERE name = 'b'"
    )  # of this file

    past = await stores.secure_value_changes.after(EVERY_CHANGE)

    told = [entry.change and entry.change.after.name for entry in past.entries]
    assert told == ["a", None, "c", "d"]


@pytest.mark.parametrize("case", OF_KEEPERS)
async def test_a_damaged_keeper_fails_alone_and_can_be_deleted(
    stores: Stores, database: Database, case: str
) -> None:
    keeping = Keeping(stores)
    for name in NAMES:
        await keeping.create(a_keeper_draft(name=name))
    await damage(database, "keepers", OF_KEEPERS[case])
    lists = Lists(kind=Kind.KEEPER, pages=stores.keeper_pages, changes=stores.keeper_changes)

    page = await lists.page(a_caller(), ListRequest(namespace=NAMESPACE))
    assert ([item.name for item in page.items], page.damaged) == (["a", "c", "d"], ("b",))

    await keeping.delete("b")
    assert await keeping.stores.keepers.get(NAMESPACE, "b") is None
