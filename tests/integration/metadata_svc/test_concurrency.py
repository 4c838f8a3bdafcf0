"""Writers that meet on Postgres; each race is held at its narrowest place."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import cast

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    KnownError,
    NotFoundError,
)
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.partial_edit import PartialEdit
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import Draft, SecureValue
from metadata_svc.domain.value_id import ValueKey, ValueState
from metadata_svc.postgres.transactions import (
    PostgresTransactions,
    TransactionQueries,
    load_transaction_queries,
)
from tests.contracts.metadata_svc.application import Application, described, last_seen
from tests.contracts.metadata_svc.stores import key_of, put_keepers
from tests.fakes.metadata_svc.builders import NAMESPACE, a_draft, a_keeper
from tests.integration.metadata_svc.conftest import postgres_stores
from tests.integration.metadata_svc.holding import transaction_open, until_waiting

DRAFT = a_draft()
HOLD_ROW = "SELECT name FROM secure_values WHERE namespace = $1 AND name = $2 FOR UPDATE"
HOLD_COUNTER = "SELECT value FROM counters WHERE namespace = $1 FOR UPDATE"
HOLD_NAME = "INSERT INTO names (namespace, name, last_version) VALUES ($1, $2, 1)"
REFUSE = "INSERT INTO value_ids (namespace, value_id, state) VALUES ($1, $2, 'refused')"
DELETE_KEEPER = "DELETE FROM keepers WHERE namespace = $1 AND name = $2"
CHANGES = "SELECT * FROM changes WHERE namespace = $1 ORDER BY resource_version"


async def outcomes(works: Sequence[Awaitable[SecureValue]]) -> list[SecureValue | KnownError]:
    """Each one's answer or error of the vocabulary; any other error is raised."""

    async def one(work: Awaitable[SecureValue]) -> SecureValue | KnownError:
        try:
            return await work
        except KnownError as error:
            return error

    return list(await asyncio.gather(*map(one, works)))


def made(results: Sequence[SecureValue | KnownError]) -> list[SecureValue]:
    return [r for r in results if isinstance(r, SecureValue)]


def errors(results: Sequence[SecureValue | KnownError]) -> set[type]:
    return {type(r) for r in results if isinstance(r, KnownError)}


async def test_of_64_creates_of_one_name_one_happens(application: Application) -> None:
    prepared = [await application.prepare(DRAFT) for _ in range(64)]

    results = await outcomes([application.claim(p.write, DRAFT) for p in prepared])

    (winner,) = made(results)
    assert errors(results) == {AlreadyExistsError}
    assert winner.version == 1
    states = await application.values.refuse(
        [ValueKey(NAMESPACE, p.write.value_id) for p in prepared]
    )
    assert [s for _, s in states].count(ValueState.CLAIMED) == 1
    assert dict(states)[key_of(winner)] is ValueState.CLAIMED


async def test_64_claims_of_one_write_answer_one_outcome(application: Application) -> None:
    prepared = await application.prepare(DRAFT)

    results = await outcomes([application.claim(prepared.write, DRAFT) for _ in range(64)])

    assert results == [made(results)[0]] * 64
    assert await application.stores.reader.resource_version(NAMESPACE) == 1


async def test_64_updates_of_one_name_all_happen_one_after_another(
    application: Application, database: Database
) -> None:
    await application.create()
    prepared = [await application.prepare(DRAFT, operation=Operation.UPDATE) for _ in range(64)]

    results = made(await outcomes([application.claim(p.write, DRAFT) for p in prepared]))

    assert sorted(s.version for s in results) == list(range(2, 66))
    assert sorted(s.generation for s in results) == list(range(2, 66))
    released = await application.values.released(
        minimum_age=timedelta(0), after=None, page_size=0
    )
    assert len(released) == 64
    changes = await database.fetch(CHANGES, NAMESPACE)
    assert [row["resource_version"] for row in changes] == list(range(1, 66))


async def test_of_two_updates_of_one_resource_version_one_wins(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    seen = last_seen(await application.create())
    prepared = [
        await application.prepare(DRAFT, operation=Operation.UPDATE, preconditions=seen)
        for _ in range(2)
    ]
    async with transaction_open(metadata_dsn) as other:
        await other.execute(HOLD_COUNTER, NAMESPACE)
        racing = asyncio.ensure_future(
            outcomes([application.claim(p.write, DRAFT, preconditions=seen) for p in prepared])
        )
        await until_waiting(database, 2)

    results = await racing
    assert (len(made(results)), errors(results)) == (1, {ConflictError})


async def edit_twice_from_one_version(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> list[SecureValue | KnownError]:
    seen = last_seen(await application.create())
    drafts = [described(DRAFT, "one"), described(DRAFT, "two")]
    async with transaction_open(metadata_dsn) as other:
        await other.execute(HOLD_COUNTER, NAMESPACE)
        racing = asyncio.ensure_future(
            outcomes([application.edit(draft, preconditions=seen) for draft in drafts])
        )
        await until_waiting(database, 2)
    return await racing


async def test_of_two_edits_of_one_resource_version_one_wins(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    results = await edit_twice_from_one_version(application, database, metadata_dsn)

    assert (len(made(results)), errors(results)) == (1, {ConflictError})


async def test_a_store_that_skips_the_row_lock_is_found_out(
    database: Database, metadata_dsn: Sensitive[str]
) -> None:
    queries = load_transaction_queries()
    unlocked = queries.secure_values.lock.replace("FOR UPDATE", "")
    secure_values = replace(queries.secure_values, lock=unlocked)
    application = _application(database, replace(queries, secure_values=secure_values))

    results = await edit_twice_from_one_version(application, database, metadata_dsn)

    assert len(made(results)) == 2  # both believe to have won: one write is lost


async def claim_what_someone_is_refusing(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> list[SecureValue | KnownError]:
    prepared = await application.prepare(DRAFT)
    async with transaction_open(metadata_dsn) as other:
        await other.execute(REFUSE, NAMESPACE, prepared.write.value_id)
        claiming = asyncio.ensure_future(outcomes([application.claim(prepared.write, DRAFT)]))
        await until_waiting(database, 1)
    return await claiming


async def test_a_claim_waits_for_a_refusal_and_loses(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    results = await claim_what_someone_is_refusing(application, database, metadata_dsn)

    assert errors(results) == {ConflictError}
    assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None


async def test_a_store_that_skips_the_value_ids_key_is_found_out(
    database: Database, metadata_dsn: Sensitive[str]
) -> None:
    queries = load_transaction_queries()
    claim = queries.value_ids.claim.replace("DO NOTHING", "DO UPDATE SET state = 'claimed'")
    value_ids = replace(queries.value_ids, claim=claim)
    application = _application(database, replace(queries, value_ids=value_ids))

    results = await claim_what_someone_is_refusing(application, database, metadata_dsn)

    assert len(made(results)) == 1  # refused, so its bytes are erased, and yet it is live


async def test_a_stalled_claim_holds_up_the_sweeper_and_wins(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await application.create()
    prepared = await application.prepare(DRAFT, operation=Operation.UPDATE)
    key = ValueKey(NAMESPACE, prepared.write.value_id)
    async with transaction_open(metadata_dsn) as other:
        await other.fetch(HOLD_ROW, NAMESPACE, DRAFT.name)
        claiming = asyncio.ensure_future(application.claim(prepared.write, DRAFT))
        await until_waiting(database, 1)
        refusing = asyncio.ensure_future(application.values.refuse([key]))
        await until_waiting(database, 2)

    assert (await claiming).version == 2
    assert await refusing == ((key, ValueState.CLAIMED),)


async def test_a_stalled_claim_that_fails_leaves_its_id_to_the_sweeper(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await application.create()
    prepared = await application.prepare(DRAFT, operation=Operation.UPDATE)
    key = ValueKey(NAMESPACE, prepared.write.value_id)
    async with transaction_open(metadata_dsn) as other:
        await other.fetch(HOLD_ROW, NAMESPACE, DRAFT.name)
        claiming = asyncio.ensure_future(outcomes([application.claim(prepared.write, DRAFT)]))
        await until_waiting(database, 1)
        refusing = asyncio.ensure_future(application.values.refuse([key]))
        await until_waiting(database, 2)
        await other.execute("DELETE FROM secure_values WHERE namespace = $1", NAMESPACE)

    assert errors(await claiming) == {NotFoundError}
    assert await refusing == ((key, ValueState.REFUSED),)


async def test_of_a_claim_and_a_refusal_exactly_one_wins_however_they_meet(
    application: Application,
) -> None:
    drafts = [a_draft(name=f"n{n}") for n in range(40)]
    prepared = [await application.prepare(draft) for draft in drafts]
    keys = [ValueKey(NAMESPACE, p.write.value_id) for p in prepared]

    claims, refused, again = await asyncio.gather(
        outcomes(
            [application.claim(p.write, d) for p, d in zip(prepared, drafts, strict=True)]
        ),
        application.values.refuse(keys),
        application.values.refuse(keys[::-1]),
    )

    states = dict(refused)
    assert states == dict(again)
    for key, result in zip(keys, claims, strict=True):
        live = await application.stores.reader.locate(
            [(NAMESPACE, drafts[keys.index(key)].name)]
        )
        won = isinstance(result, SecureValue)
        assert (states[key] is ValueState.CLAIMED, bool(live)) == (won, won)


async def test_a_create_that_waited_for_another_finds_the_name_taken(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    first, second = await application.prepare(DRAFT), await application.prepare(DRAFT)
    async with transaction_open(metadata_dsn) as other:
        await other.execute(HOLD_NAME, NAMESPACE, DRAFT.name)
        racing = asyncio.ensure_future(
            outcomes([application.claim(p.write, DRAFT) for p in (first, second)])
        )
        await until_waiting(database, 2)

    results = await racing
    assert errors(results) == {AlreadyExistsError}
    assert [s.version for s in made(results)] == [2]


async def test_an_update_that_waited_for_a_delete_finds_nothing(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await application.create()
    async with transaction_open(metadata_dsn) as other:
        await other.execute(HOLD_COUNTER, NAMESPACE)
        deleting = asyncio.ensure_future(application.delete(NAMESPACE, DRAFT.name))
        await until_waiting(database, 1)
        editing = asyncio.ensure_future(outcomes([application.edit(described(DRAFT, "x"))]))
        await until_waiting(database, 2)

    await deleting
    assert errors(await editing) == {NotFoundError}


async def test_a_claim_that_waited_for_its_keepers_deletion_does_not_happen(
    application: Application, database: Database, metadata_dsn: Sensitive[str]
) -> None:
    await put_keepers(application.stores, a_keeper(name="aws", active=True))
    prepared = await application.prepare(DRAFT)
    async with transaction_open(metadata_dsn) as other:
        await other.execute(DELETE_KEEPER, NAMESPACE, "aws")
        claiming = asyncio.ensure_future(outcomes([application.claim(prepared.write, DRAFT)]))
        await until_waiting(database, 1)

    assert errors(await claiming) == {FailedPreconditionError}
    assert await application.stores.reader.get(NAMESPACE, DRAFT.name) is None


async def test_writers_of_many_kinds_leave_a_history_without_a_gap(
    application: Application, database: Database
) -> None:
    drafts = [a_draft(name=f"n{n % 6}", description=f"d{n}") for n in range(48)]

    await outcomes([_something(application, n, draft) for n, draft in enumerate(drafts)])

    changes = await database.fetch(CHANGES, NAMESPACE)
    counter = await application.stores.reader.resource_version(NAMESPACE)
    assert [row["resource_version"] for row in changes] == list(range(1, counter + 1))
    assert [row["changed_at"] for row in changes] == sorted(r["changed_at"] for r in changes)


async def _something(application: Application, number: int, draft: Draft) -> SecureValue:
    if number % 4 == 0:
        return await application.create(draft)
    if number % 4 == 1:
        return await application.update(draft)
    if number % 4 == 2:
        return await application.edit(draft)
    return await application.delete(draft.namespace, draft.name)


def _application(database: Database, queries: TransactionQueries) -> Application:
    stores = postgres_stores(database)
    transactions = cast(PostgresTransactions, stores.transactions)
    mutant = replace(transactions, queries=queries)
    return Application(replace(stores, transactions=mutant))


async def test_edits_of_parts_that_meet_all_happen(application: Application) -> None:
    """Nobody reads what it replaces, so no addition undoes another."""
    await application.create(DRAFT)
    names = [f"added-{number}" for number in range(16)]

    results = await outcomes(
        [
            application.edit_part(
                PartialEdit(namespace=NAMESPACE, name=DRAFT.name, add_decrypters=(name,))
            )
            for name in names
        ]
    )

    assert errors(results) == set()
    now = await application.get(DRAFT.name)
    assert set(now.decrypters) == {*DRAFT.decrypters, *names}
    assert now.resource_version == 17
