"""The use cases in memory: what they promise on any stores, and what needs no store at all."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog

from chassis.caller import Caller
from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from metadata_svc.domain.listing import Place
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.value_id import ValueKey, ValueState
from metadata_svc.ports.history import ChangeType
from metadata_svc.use_cases.edits import DeleteRequest, EditRequest
from metadata_svc.use_cases.lists import ListRequest
from metadata_svc.use_cases.trim import CHANGES_BATCH, OUTCOMES_BATCH, TrimOutcomes
from tests.contracts.metadata_svc.application import Application, described
from tests.contracts.metadata_svc.claims import ClaimsContract
from tests.contracts.metadata_svc.edits import EditsContract
from tests.contracts.metadata_svc.keeper_repeats import KeeperRepeatsContract
from tests.contracts.metadata_svc.late_claims import LateClaimsContract
from tests.contracts.metadata_svc.repeats import RepeatsContract
from tests.contracts.metadata_svc.resolves import ResolvesContract
from tests.contracts.metadata_svc.stores import Stores, key_of, put_keepers
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    ManualClock,
    a_caller,
    a_caller_granted,
    a_draft,
    a_keeper,
    a_prepared_write,
    selecting,
)
from tests.fakes.metadata_svc.stores import FakeDatabase

DRAFT = a_draft()
Ask = Callable[[Application, Caller], Awaitable[object]]


class TestClaims(ClaimsContract):
    pass


class TestLateClaims(LateClaimsContract):
    pass


class TestResolves(ResolvesContract):
    pass


class TestEdits(EditsContract):
    pass


class TestRepeats(RepeatsContract):
    pass


class TestKeeperRepeats(KeeperRepeatsContract):
    pass


ASKED: dict[str, tuple[str, Ask]] = {
    "get": ("read", lambda a, c: a.get(DRAFT.name, caller=c)),
    "list": ("read", lambda a, c: a.lists.page(c, ListRequest(namespace=NAMESPACE))),
    "edit": ("write", lambda a, c: a.edits.update(c, EditRequest(draft=DRAFT))),
    "delete": (
        "delete",
        lambda a, c: a.edits.delete(c, DeleteRequest(namespace=NAMESPACE, name=DRAFT.name)),
    ),
    "prepare a create": ("create", lambda a, c: a.prepare(DRAFT, caller=c)),
    "prepare an update": (
        "write",
        lambda a, c: a.prepare(DRAFT, operation=Operation.UPDATE, caller=c),
    ),
    "claim a create": ("create", lambda a, c: a.claim(a_prepared_write(), DRAFT, caller=c)),
    "claim an update": (
        "write",
        lambda a, c: a.claim(a_prepared_write(operation=Operation.UPDATE), DRAFT, caller=c),
    ),
}
VERBS = ("create", "read", "write", "delete")


@pytest.mark.parametrize(("verb", "ask"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("there", [True, False], ids=["there", "not there"])
async def test_without_the_right_the_answer_is_the_same_whatever_there_is(
    application: Application, verb: str, ask: Ask, *, there: bool
) -> None:
    if there:
        await application.create()
    others = [v for v in VERBS if v != verb]
    callers = [
        a_caller_granted(
            *((f"secret.securevalues:{v}", "secret.securevalues:*") for v in others)
        ),
        a_caller_granted((f"secret.securevalues:{verb}", "secret.keepers:*")),
        a_caller(namespace="other"),
        a_caller(service_identities=("k6",)),
    ]

    for caller in callers:
        with pytest.raises(PermissionDeniedError) as error:
            await ask(application, caller)
        assert DRAFT.name not in error.value.message


@pytest.mark.parametrize(("verb", "ask"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize(
    "scope", ["secret.securevalues:*", f"secret.securevalues:uid:{DRAFT.name}"]
)
async def test_with_the_right_alone_the_answer_is_another(
    application: Application, verb: str, ask: Ask, scope: str
) -> None:
    caller = a_caller_granted((f"secret.securevalues:{verb}", scope), namespace=NAMESPACE)

    try:
        await ask(application, caller)
    except NotFoundError:
        assert verb != "create"


@pytest.mark.parametrize(("verb", "ask"), ASKED.values(), ids=ASKED)
async def test_a_right_on_another_name_is_none_on_this(
    application: Application, verb: str, ask: Ask
) -> None:
    await application.create()
    caller = a_caller_granted((f"secret.securevalues:{verb}", "secret.securevalues:uid:other"))

    if verb == "read" and ask is ASKED["list"][1]:
        listing: Any = await ask(application, caller)
        assert listing.items == ()
    else:
        with pytest.raises(PermissionDeniedError):
            await ask(application, caller)


async def test_a_name_yet_to_be_chosen_needs_the_whole_scope(application: Application) -> None:
    draft = a_draft(name="", generate_name="pg-")
    one = a_caller_granted(("secret.securevalues:create", "secret.securevalues:uid:pg-"))
    all_ = a_caller_granted(("secret.securevalues:create", "secret.securevalues:*"))

    with pytest.raises(PermissionDeniedError):
        await application.prepare(draft, caller=one)
    prepared = await application.prepare(draft, caller=all_)
    with pytest.raises(PermissionDeniedError):
        await application.claim(prepared.write, draft, caller=one)


async def test_a_recorded_outcome_is_told_to_no_one_without_the_right(
    application: Application,
) -> None:
    prepared = await application.prepare(DRAFT)
    await application.claim(prepared.write, DRAFT)

    with pytest.raises(PermissionDeniedError):
        await application.claim(prepared.write, DRAFT, caller=a_caller(roles=frozenset()))


async def test_permission_is_decided_before_the_draft_is_checked(
    application: Application,
) -> None:
    with pytest.raises(PermissionDeniedError):
        await application.prepare(a_draft(description=""), caller=a_caller(roles=frozenset()))


async def test_a_denial_is_logged_with_its_reason(application: Application) -> None:
    with structlog.testing.capture_logs() as lines, pytest.raises(PermissionDeniedError):
        await application.get("pg-main", caller=a_caller(namespace="other"))

    (line,) = lines
    assert (line["subject"], line["action"], line["reason"]) == (
        "user:u1",
        "secret.securevalues:read",
        "the token is for another namespace",
    )


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"page_size": -1}, id="negative"),
        pytest.param({"page_size": 501}, id="too many"),
        pytest.param({"selector": selecting({"a\x00": "b"})}, id="NUL in a label"),
        pytest.param({"selector": selecting(decrypter="\x00")}, id="NUL in a decrypter"),
        pytest.param({"after": Place("\x00")}, id="NUL in a name"),
        pytest.param({"namespace": "org-1"}, id="a reserved namespace"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(
    application: Application, request_: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError):
        await application.lists.page(
            a_caller(), ListRequest(**{"namespace": NAMESPACE} | request_)
        )


@pytest.mark.parametrize("name", ["*", "..", "%2e", "a\x00", "a" * 254, ""])
async def test_a_name_that_cannot_be_is_refused_before_it_is_looked_up(
    application: Application, name: str
) -> None:
    with pytest.raises(InvalidArgumentError):
        await application.get(name)
    with pytest.raises(InvalidArgumentError):
        await application.delete(NAMESPACE, name)


async def test_a_generated_name_that_is_taken_is_told_apart_by_its_draft(
    stores: Stores,
) -> None:
    application = Application(stores, random_bytes=bytes)
    draft = a_draft(name="", generate_name="pg-")
    late = await application.prepare(draft)
    await application.create(draft)

    with pytest.raises(AlreadyExistsError):
        await application.claim(late.write, draft)
    with pytest.raises(AlreadyExistsError):
        await application.prepare(draft)


async def test_the_sweepers_calls_are_bounded(application: Application) -> None:
    keys = [ValueKey(NAMESPACE, a_prepared_write().value_id)] * 1001
    with pytest.raises(InvalidArgumentError):
        await application.values.refuse(keys)
    with pytest.raises(InvalidArgumentError):
        await application.values.acknowledge(keys)
    with pytest.raises(InvalidArgumentError):
        await application.values.refuse([ValueKey("\x00", keys[0].value_id)])
    for bad in ({"page_size": -1}, {"page_size": 1001}, {"minimum_age": timedelta(-1)}):
        with pytest.raises(InvalidArgumentError):
            await application.values.released(
                **{"minimum_age": timedelta(0), "after": None, "page_size": 0} | bad  # type: ignore[arg-type]  # one of each kind
            )


async def test_released_ids_wait_for_their_age(
    application: Application, clock: ManualClock
) -> None:
    live = await application.create()
    await application.delete(NAMESPACE, DRAFT.name)
    hour = timedelta(hours=1)

    young = await application.values.released(minimum_age=hour, after=None, page_size=0)
    clock.advance(hour)
    old = await application.values.released(minimum_age=hour, after=None, page_size=0)

    assert (young, old) == ((), (key_of(live),))


async def test_every_write_leaves_one_change_in_order(
    application: Application, fake: FakeDatabase
) -> None:
    created = await application.create()
    edited = await application.edit(described(DRAFT, "x"))
    updated = await application.update(described(DRAFT, "y"))
    await application.edit(described(DRAFT, "y"))
    await application.delete(NAMESPACE, DRAFT.name)

    changes = [change for _, change in fake.tables.changes]
    assert [(c.type, c.resource_version, c.resource, c.previous) for c in changes] == [
        (ChangeType.ADDED, 1, created, None),
        (ChangeType.MODIFIED, 2, edited, created),
        (ChangeType.MODIFIED, 3, updated, edited),
        (ChangeType.DELETED, 4, updated, updated),
    ]


async def test_old_history_is_forgotten(application: Application, fake: FakeDatabase) -> None:
    await application.create()

    assert await application.history.trim() == 1
    assert fake.tables.changes == []


async def test_a_write_bears_its_writer_and_its_time(
    application: Application, clock: ManualClock
) -> None:
    created = await application.create()
    clock.advance(timedelta(hours=1))
    other = a_caller(subject="service-account:s1")
    after = await application.edits.update(other, EditRequest(draft=described(DRAFT, "x")))

    assert (after.created_by, after.created_at) == ("user:u1", created.created_at)
    assert (after.updated_by, after.updated_at) == ("service-account:s1", clock.now())


async def test_an_update_whose_keeper_is_gone_is_not_prepared(
    application: Application, fake: FakeDatabase
) -> None:
    await put_keepers(application.stores, a_keeper(name="aws", active=True))
    await application.create()
    fake.tables.keepers.clear()

    with pytest.raises(FailedPreconditionError):
        await application.prepare(DRAFT, operation=Operation.UPDATE)


async def test_history_of_any_length_is_forgotten_batch_by_batch(
    application: Application, fake: FakeDatabase
) -> None:
    await application.create()
    fake.tables.changes *= 2 * CHANGES_BATCH + 1

    assert await application.history.trim() == 2 * CHANGES_BATCH + 1
    assert fake.tables.changes == []


async def test_an_outcome_is_kept_for_the_retention_and_then_forgotten(
    application: Application, stores: Stores, clock: ManualClock
) -> None:
    day = timedelta(days=1)
    trim = TrimOutcomes(stores.transactions, day)
    prepared = await application.prepare(DRAFT)
    first = await application.claim(prepared.write, DRAFT)

    clock.advance(day - timedelta(microseconds=1))
    assert await trim.trim() == 0
    assert await application.claim(prepared.write, DRAFT) == first
    clock.advance(timedelta(microseconds=1))
    assert await trim.trim() == 1
    with pytest.raises(ConflictError):
        await application.claim(prepared.write, DRAFT)


async def test_nothing_of_a_deleted_secret_stays_beside_its_value_id(
    application: Application, fake: FakeDatabase
) -> None:
    live = await application.create()
    await application.delete(NAMESPACE, DRAFT.name)
    await application.outcomes.trim()

    row = fake.tables.value_ids[key_of(live)]
    assert (row.state, row.outcome) == (ValueState.RELEASED, None)


async def test_outcomes_of_any_number_are_forgotten_batch_by_batch(
    application: Application, fake: FakeDatabase
) -> None:
    live = await application.create()
    row = fake.tables.value_ids[key_of(live)]
    rest = 2 * OUTCOMES_BATCH
    fake.tables.value_ids |= {ValueKey(NAMESPACE, UUID(int=n)): row for n in range(rest)}

    assert await application.outcomes.trim() == rest + 1
    assert {row.outcome for row in fake.tables.value_ids.values()} == {None}
