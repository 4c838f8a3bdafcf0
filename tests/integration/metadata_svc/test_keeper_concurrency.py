"""Writers of keepers that meet on Postgres; each race is held at its narrowest place."""

import asyncio
import random
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

import asyncpg
import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    KnownError,
    NotFoundError,
)
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.keeper import MAX_KEEPERS, Keeper
from metadata_svc.postgres.transactions import (
    PostgresTransactions,
    load_transaction_queries,
)
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.keeper_writes import changes, last_seen
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores, put_keepers
from tests.fakes.metadata_svc.builders import NAMESPACE, a_draft, a_keeper, a_keeper_draft
from tests.integration.metadata_svc.holding import transaction_open, until_waiting

T = TypeVar("T")

DRAFT = a_keeper_draft()
HOLD_KEEPER = "SELECT name FROM keepers WHERE namespace = $1 AND name = $2 FOR UPDATE"
HOLD_COUNTER = "SELECT value FROM counters WHERE namespace = $1 FOR UPDATE"
ACTIVE = "SELECT name FROM keepers WHERE namespace = $1 AND active"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
FILL = """
INSERT INTO keepers (namespace, name, uid, resource_version, generation, description, type,
    config, labels, annotations, created_at, created_by, updated_at, updated_by)
SELECT $1, 'k' || n, gen_random_uuid(), 1, 1, 'd', 'aws', '{}', '{}', '{}',
    now(), 'u', now(), 'u'
FROM generate_series(1, $2) AS n
"""


@pytest.fixture
def keeping(stores: Stores) -> Keeping:
    return Keeping(stores)


async def outcomes(works: Sequence[Awaitable[T]]) -> list[T | KnownError]:
    """Each one's answer or error of the vocabulary; any other error is raised."""

    async def one(work: Awaitable[T]) -> T | KnownError:
        try:
            return await work
        except KnownError as error:
            return error

    return list(await asyncio.gather(*map(one, works)))


def errors(results: Sequence[object]) -> set[type]:
    return {type(result) for result in results if isinstance(result, KnownError)}


async def test_any_number_of_activations_leave_one_active_and_none_fails(
    keeping: Keeping, database: Database
) -> None:
    names = [f"k{n}" for n in range(6)]
    await put_keepers(keeping.stores, *(a_keeper(name=name) for name in names))
    chosen = random.Random(7).choices([*names, "system"], k=48)  # a fixed order

    results = await outcomes([keeping.activate(name) for name in chosen])

    assert errors(results) == set()
    assert len(await database.fetch(ACTIVE, NAMESPACE)) <= 1
    active: set[str] = set()
    for _, keeper in await changes(keeping.stores):
        active = active | {keeper.name} if keeper.active else active - {keeper.name}
        assert len(active) <= 1
    assert active == {row["name"] for row in await database.fetch(ACTIVE, NAMESPACE)}


async def test_an_activation_sees_the_one_that_was_activated_while_it_waited(
    keeping: Keeping, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await put_keepers(keeping.stores, a_keeper(name="a"), a_keeper(name="b"))
    async with transaction_open(metadata_dsn) as other:
        await other.fetch(HOLD_KEEPER, NAMESPACE, "a")
        first = asyncio.ensure_future(keeping.activate("a"))
        await until_waiting(database, 1)
        second = asyncio.ensure_future(keeping.activate("b"))
        await until_waiting(database, 2)
        # One that did not exist when the others began: no lock of a keeper's row orders them.
        await keeping.create(replace(DRAFT, name="c"))
        third = asyncio.ensure_future(keeping.activate("c"))
        await until_waiting(database, 3)

    answers = await asyncio.gather(first, second, third)
    assert all(keeper is not None and keeper.active for keeper in answers)
    assert len(await database.fetch(ACTIVE, NAMESPACE)) == 1


async def test_without_the_lock_of_activations_the_index_would_refuse_one(
    keeping: Keeping, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    queries = load_transaction_queries()
    unheld = replace(
        queries, keepers=replace(queries.keepers, hold_activation="SELECT $1::text")
    )
    transactions = cast(PostgresTransactions, keeping.stores.transactions)
    mutant = Keeping(
        replace(keeping.stores, transactions=replace(transactions, queries=unheld))
    )
    await put_keepers(keeping.stores, a_keeper(name="a"), a_keeper(name="b"))
    async with transaction_open(metadata_dsn) as other:
        await other.fetch(HOLD_KEEPER, NAMESPACE, "a")
        first = asyncio.ensure_future(mutant.activate("a"))
        await until_waiting(database, 1)
        await mutant.activate("b")

    with pytest.raises(asyncpg.UniqueViolationError):
        await first


async def test_activations_claims_edits_and_deletes_never_wait_in_a_circle(
    keeping: Keeping, application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await put_keepers(keeping.stores, a_keeper(name="a", active=True), a_keeper(name="b"))
    draws = random.Random(11)  # a fixed order
    drafts = [a_draft(name=f"n{n}") for n in range(24)]
    prepared = [await application.prepare(draft) for draft in drafts]

    results = await asyncio.gather(
        outcomes(
            [application.claim(p.write, d) for p, d in zip(prepared, drafts, strict=True)]
        ),
        outcomes([keeping.activate(draws.choice("ab")) for _ in range(24)]),
        outcomes(
            [keeping.edit(replace(DRAFT, name="a", description=f"{n}")) for n in range(8)]
        ),
        outcomes([keeping.delete(draws.choice("ab")) for _ in range(4)]),
    )

    failed = {type(one) for each in results for one in each if isinstance(one, KnownError)}
    assert failed <= {FailedPreconditionError, NotFoundError}
    await database.close()  # only then is every session's count told
    assert await _value(metadata_dsn, DEADLOCKS) == 0


async def test_of_many_creates_of_one_name_one_happens(keeping: Keeping) -> None:
    results = await outcomes([keeping.create() for _ in range(16)])

    assert [isinstance(result, Keeper) for result in results].count(True) == 1
    assert errors(results) == {AlreadyExistsError}


async def test_of_many_edits_of_one_resource_version_one_wins(keeping: Keeping) -> None:
    seen = last_seen(await keeping.create())

    results = await outcomes(
        [
            keeping.edit(replace(DRAFT, description=f"d{n}"), preconditions=seen)
            for n in range(16)
        ]
    )

    assert [isinstance(result, Keeper) for result in results].count(True) == 1
    assert errors(results) == {ConflictError}


async def test_the_last_place_of_a_namespace_is_taken_once(
    keeping: Keeping, database: Database
) -> None:
    await database.execute(FILL, NAMESPACE, MAX_KEEPERS - 1)

    results = await outcomes([keeping.create(replace(DRAFT, name=f"new{n}")) for n in range(8)])

    assert [isinstance(result, Keeper) for result in results].count(True) == 1
    assert errors(results) == {FailedPreconditionError}


async def test_a_keeper_is_not_deleted_under_a_claim(
    keeping: Keeping, application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await keeping.create(replace(DRAFT, name="a"))
    await keeping.activate("a")
    prepared = await application.prepare(a_draft())
    async with transaction_open(metadata_dsn) as other:
        await other.fetch(HOLD_COUNTER, NAMESPACE)
        claiming = asyncio.ensure_future(application.claim(prepared.write, a_draft()))
        await until_waiting(database, 1)
        deleting = asyncio.ensure_future(outcomes([keeping.delete("a")]))
        await until_waiting(database, 2)

    assert (await claiming).keeper == "a"
    assert errors(await deleting) == {FailedPreconditionError}
    assert await keeping.stores.keepers.exists(NAMESPACE, "a")


async def test_a_claim_finds_its_keeper_deleted(
    keeping: Keeping, application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await keeping.create(replace(DRAFT, name="a"))
    await keeping.activate("a")
    prepared = await application.prepare(a_draft())
    async with transaction_open(metadata_dsn) as other:
        await other.fetch(HOLD_COUNTER, NAMESPACE)
        deleting = asyncio.ensure_future(keeping.delete("a"))
        await until_waiting(database, 1)
        claiming = asyncio.ensure_future(
            outcomes([application.claim(prepared.write, a_draft())])
        )
        await until_waiting(database, 2)

    assert (await deleting).name == "a"
    assert errors(await claiming) == {FailedPreconditionError}
    assert await application.stores.reader.get(NAMESPACE, a_draft().name) is None


async def test_the_active_keeper_may_be_deleted_while_another_takes_over(
    keeping: Keeping, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await put_keepers(keeping.stores, a_keeper(name="a", active=True), a_keeper(name="b"))
    await keeping.edit(replace(DRAFT, name="b", description="so that there is a counter"))
    async with transaction_open(metadata_dsn) as other:
        await other.fetch(HOLD_COUNTER, NAMESPACE)
        deleting = asyncio.ensure_future(keeping.delete("a"))
        await until_waiting(database, 1)
        activating = asyncio.ensure_future(keeping.activate("b"))
        await until_waiting(database, 2)

    await deleting
    active = await activating
    assert active is not None
    assert (active.name, active.resource_version) == ("b", 3)
    assert await keeping.stores.keepers.active(NAMESPACE) == "b"


async def _value(dsn: Sensitive[str], query: str) -> object:
    connection = await asyncpg.connect(dsn.reveal())
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
