"""Creates under an idempotency key over the real ports, and what only a database can show."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.caller import Caller
from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    PermissionDeniedError,
    Rule,
    UnavailableError,
)
from chassis.grpc_client import call
from chassis.metrics import Metrics
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.assembly import assemble
from metadata_svc.domain.idempotency import Fingerprint, Idempotency, IdempotencyKey
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.transactions import Transaction
from metadata_svc.postgres.idempotency import load_idempotency_queries
from metadata_svc.postgres.rows import resource_to_json, secure_value_from_json
from protos.splitkeep.metadata.v1 import keepers_pb2 as keepers_pb
from protos.splitkeep.metadata.v1 import keepers_pb2_grpc as keepers_grpc
from protos.splitkeep.metadata.v1 import secure_value_pb2 as resource
from protos.splitkeep.metadata.v1 import vault_peer_pb2 as peer_pb
from protos.splitkeep.metadata.v1 import vault_peer_pb2_grpc as peer_grpc
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import a_caller, a_draft, a_secure_value
from tests.integration.explaining import explained
from tests.integration.metadata_svc.holding import transaction_open, until_waiting
from tests.integration.metadata_svc.wire import Credentials, Wire, wired

SECONDS = 5.0
HOUR = timedelta(hours=1)
BATCH = 100
SQL = load_idempotency_queries()
ASKED = peer_pb.Idempotency(key="create-1", fingerprint=bytes([1] * 32))
OTHERWISE = peer_pb.Idempotency(key="create-1", fingerprint=bytes([2] * 32))
DRAFT = resource.SecureValueDraft(
    namespace="default", name="pg-main", description="d", annotations={"a": "ж\n"}
)
OTHER_DRAFT = resource.SecureValueDraft(namespace="default", name="other", description="d")
KEEPER = keepers_pb.KeeperDraft(
    namespace="default",
    generate_name="kp-",
    description="d",
    providers=["aws"],
    aws=keepers_pb.AwsKeeper(
        region="eu-central-1",
        assume_role=keepers_pb.AwsAssumeRole(assume_role_arn="arn:aws:x", external_id="e"),
    ),
)
AGE = (
    "UPDATE idempotency_keys SET taken_at = taken_at - $2::interval WHERE idempotency_key = $1"
)
SEED = """
INSERT INTO idempotency_keys (
    namespace, subject_digest, idempotency_key, fingerprint, kind, outcome, taken_at
)
SELECT
    'default', sha256('user:u1'), $2::interval || '-' || n, '', 'SecureValue',
    jsonb_build_object('description', repeat('x', 600)),
    clock_timestamp() - $2::interval
FROM generate_series(1, $1::integer) AS n
"""

# The statements of the release before issuers were recorded, which runs beside this one during
# an upgrade.
EARLIER_TAKE = """
INSERT INTO idempotency_keys AS k (namespace, subject_digest, idempotency_key, fingerprint)
VALUES ($1, $2, $3, $4)
ON CONFLICT (namespace, subject_digest, idempotency_key) DO UPDATE
SET fingerprint = $4, kind = NULL, outcome = NULL, taken_at = clock_timestamp()
WHERE k.taken_at <= clock_timestamp() - '1 day'::interval
RETURNING k.namespace
"""
EARLIER_RECORD = """
UPDATE idempotency_keys SET kind = 'SecureValue', outcome = $4
WHERE namespace = $1 AND subject_digest = $2 AND idempotency_key = $3
"""
EARLIER_READ = """
SELECT fingerprint, outcome FROM idempotency_keys
WHERE namespace = $1 AND subject_digest = $2 AND idempotency_key = $3
"""
BY_SUBJECT, BY_ISSUER = bytes([1] * 32), bytes([2] * 32)
BOTH = Idempotency("create-1", Fingerprint(BY_SUBJECT, BY_ISSUER))
OURS, THEIRS = a_caller(only_issuer=True), a_caller(issuer="https://other.example")
EARLIER_KEY = ("default", hashlib.sha256(OURS.subject.encode()).digest(), "create-1")


@pytest.fixture
async def wire(
    tmp_path: Path, database: Database, metadata_dsn: Sensitive[str]
) -> AsyncIterator[Wire]:
    async with wired(Credentials(tmp_path), database, metadata_dsn) as wire:
        yield wire


async def ask(wire: Wire, method: str, request: Any, **claims: Any) -> Any:
    stub = peer_grpc.VaultPeerStub(wire.peer)
    token = wire.credentials.token(**claims)
    return await call(getattr(stub, method), request, deadline_seconds=SECONDS, token=token)


async def prepare(
    wire: Wire,
    asked: peer_pb.Idempotency = ASKED,
    *,
    draft: resource.SecureValueDraft = DRAFT,
    operation: peer_pb.Operation.ValueType = peer_pb.OPERATION_CREATE,
    dry_run: bool = False,
    **claims: Any,
) -> Any:
    request = peer_pb.PrepareRequest(
        operation=operation, draft=draft, dry_run=dry_run, idempotency=asked
    )
    return await ask(wire, "Prepare", request, **claims)


async def created(wire: Wire) -> resource.SecureValue:
    prepared = (await prepare(wire)).prepared
    claim = peer_pb.ClaimRequest(prepared=prepared, draft=DRAFT, idempotency=ASKED)
    made: resource.SecureValue = (await ask(wire, "Claim", claim)).secure_value
    return made


async def create_keeper(wire: Wire, key: str, **changes: Any) -> keepers_pb.Keeper:
    draft = keepers_pb.KeeperDraft()
    draft.CopyFrom(KEEPER)
    draft.MergeFrom(keepers_pb.KeeperDraft(**changes))
    answer = await call(
        keepers_grpc.KeepersStub(wire.clients).CreateKeeper,
        keepers_pb.CreateKeeperRequest(draft=draft, idempotency_key=key),
        deadline_seconds=SECONDS,
        token=wire.credentials.token(),
    )
    return answer.keeper


def broken(error: InvalidArgumentError) -> list[tuple[str, Rule]]:
    return [(violation.field, violation.rule) for violation in error.violations]


async def test_prepare_answers_what_was_recorded_and_prepares_nothing(wire: Wire) -> None:
    made = await created(wire)

    again = await prepare(wire)

    assert again.recorded == made
    assert not again.HasField("prepared")


@pytest.mark.parametrize("outcome", ["{}", "[]", "null", '{"uid": 1}', '"x"'])
async def test_a_recorded_outcome_that_is_damaged_is_a_fault_with_a_way_out(
    wire: Wire, database: Database, outcome: str
) -> None:
    await created(wire)
    asked = peer_pb.PrepareRequest(operation=peer_pb.OPERATION_CREATE, draft=OTHER_DRAFT)
    repeat = (await ask(wire, "Prepare", asked)).prepared
    await ask(wire, "Claim", peer_pb.ClaimRequest(prepared=repeat, draft=OTHER_DRAFT))
    await database.write("UPDATE idempotency_keys SET outcome = $1", outcome)
    await database.write("UPDATE value_ids SET outcome = $1", outcome)

    with pytest.raises(UnavailableError, match="choose another idempotency key"):
        await prepare(wire)
    with pytest.raises(UnavailableError, match="is recorded, and damaged"):
        await ask(wire, "Claim", peer_pb.ClaimRequest(prepared=repeat, draft=OTHER_DRAFT))


async def test_another_request_under_the_key_is_a_violation_of_it(wire: Wire) -> None:
    await created(wire)

    with pytest.raises(InvalidArgumentError) as error:
        await prepare(
            wire,
            OTHERWISE,
            draft=resource.SecureValueDraft(namespace="default", name="other", description="d"),
        )

    assert broken(error.value) == [("Idempotency-Key", Rule.INVALID)]


async def test_whoever_may_not_create_any_more_is_not_told(wire: Wire) -> None:
    await created(wire)

    with pytest.raises(PermissionDeniedError):
        await prepare(wire, roles=["fixed:secret.securevalues:reader"])


async def test_a_dry_run_is_judged_as_if_it_had_no_key(wire: Wire) -> None:
    preview = (await prepare(wire, dry_run=True)).preview
    assert preview.name == "pg-main"
    await created(wire)

    with pytest.raises(AlreadyExistsError):
        await prepare(wire, dry_run=True)


@pytest.mark.parametrize(
    ("asked", "operation", "rule"),
    [
        (peer_pb.Idempotency(), peer_pb.OPERATION_CREATE, Rule.INVALID),
        (peer_pb.Idempotency(key="k"), peer_pb.OPERATION_CREATE, Rule.INVALID),
        (ASKED, peer_pb.OPERATION_UPDATE, Rule.FORBIDDEN),
    ],
    ids=["nothing in it", "no fingerprint", "an update"],
)
async def test_a_malformed_key_of_the_vaults_is_refused(
    wire: Wire,
    asked: peer_pb.Idempotency,
    operation: peer_pb.Operation.ValueType,
    rule: Rule,
) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await prepare(wire, asked, operation=operation)

    assert ("Idempotency-Key", rule) in broken(error.value)


async def test_a_keeper_sent_again_under_its_key_is_made_once(wire: Wire) -> None:
    first = await create_keeper(wire, "create-1")

    assert await create_keeper(wire, "create-1") == first
    assert (await create_keeper(wire, "create-2")).name != first.name
    assert (await create_keeper(wire, "")).name != first.name
    other: dict[str, Any] = {"labels": {"a": "b"}}
    for key, changes in (("create-1", other), ("ключ", {})):
        with pytest.raises(InvalidArgumentError) as error:
            await create_keeper(wire, key, **changes)
        assert broken(error.value) == [("Idempotency-Key", Rule.INVALID)]


async def test_who_takes_a_key_that_another_is_taking_waits_for_its_end(
    application: Application,
    stores: Stores,
    database: Database,
) -> None:
    """What the other one made is what it is told."""
    key = IdempotencyKey("default", a_caller().principal, "create-1")
    made = a_secure_value()
    waiting: list[asyncio.Future[SecureValue]] = []

    async def create_and_wait(tx: Transaction) -> None:
        await tx.idempotency.take(key, Fingerprint(bytes(32)), younger_than=HOUR)
        again = application.create_once(
            Idempotency("create-1", Fingerprint(bytes(32))), a_draft()
        )
        waiting.append(asyncio.ensure_future(again))
        await until_waiting(database, 1)
        await tx.idempotency.record(key, made)

    await stores.transactions.run(create_and_wait)

    assert await waiting[0] == made


async def test_who_takes_a_key_that_another_gives_up_has_it(
    application: Application, stores: Stores, database: Database
) -> None:
    key = IdempotencyKey("default", a_caller().principal, "create-1")
    waiting: list[asyncio.Future[SecureValue]] = []

    async def die(tx: Transaction) -> None:
        await tx.idempotency.take(key, Fingerprint(bytes(32)), younger_than=HOUR)
        again = application.create_once(
            Idempotency("create-1", Fingerprint(bytes(32))), a_draft()
        )
        waiting.append(asyncio.ensure_future(again))
        await until_waiting(database, 1)
        raise ConflictError

    with pytest.raises(ConflictError):
        await stores.transactions.run(die)

    assert (await waiting[0]).version == 1


async def test_a_key_is_remembered_for_as_long_as_it_is_configured_to(
    application: Application, database: Database, metadata_dsn: Sensitive[str], tmp_path: Path
) -> None:
    parts = assemble(Credentials(tmp_path).config(metadata_dsn), database, Metrics())
    for key in ("young", "old"):
        await application.create_once(
            Idempotency(key, Fingerprint(bytes(32))), a_draft(name=key)
        )
    await database.execute(AGE, "young", 23 * HOUR)
    await database.execute(AGE, "old", 24 * HOUR)

    assert await parts.trims["idempotency keys"]() == 1
    kept = await database.fetch("SELECT idempotency_key FROM idempotency_keys")
    assert [row["idempotency_key"] for row in kept] == ["young"]


async def test_a_key_that_is_too_old_is_free_before_it_is_trimmed(
    application: Application, database: Database
) -> None:
    draft = a_draft(name="", generate_name="sv-")
    first = await application.create_once(Idempotency("k", Fingerprint(bytes(32))), draft)
    await database.execute(AGE, "k", 24 * HOUR)

    second = await application.create_once(
        Idempotency("k", Fingerprint(bytes([1] * 32))), draft
    )

    assert second.name != first.name
    rows = await database.fetch("SELECT fingerprint FROM idempotency_keys")
    assert [row["fingerprint"] for row in rows] == [bytes([1] * 32)]


async def test_a_trim_reads_what_it_forgets_and_nothing_young(
    metadata_dsn: Sensitive[str],
) -> None:
    connection = await asyncpg.connect(metadata_dsn.reveal())
    try:
        costs = []
        for count, age in ((20_000, timedelta(0)), (2 * BATCH, 2 * HOUR)):
            await connection.execute(SEED, count, age)
            await connection.execute("VACUUM ANALYZE idempotency_keys")
            costs.append(await explained(connection, SQL.trim, (HOUR, BATCH)))
    finally:
        await connection.close()

    nothing, batch = costs
    assert nothing.rows == 0
    assert nothing.buffers < 10
    # Each is found by the index and then by its key.
    assert batch.rows == 2 * BATCH
    assert batch.buffers < 40 * BATCH


async def test_a_key_someone_is_at_work_on_is_left_for_the_next_time(
    application: Application, metadata_dsn: Sensitive[str]
) -> None:
    for key in ("k1", "k2"):
        await application.create_once(
            Idempotency(key, Fingerprint(bytes(32))), a_draft(name=key)
        )

    async with transaction_open(metadata_dsn) as someone:
        await someone.execute(AGE, "k1", HOUR)
        meanwhile = await application.idempotency_keys.trim()

    assert (meanwhile, await application.idempotency_keys.trim()) == (1, 1)


async def earlier_create(database: Database, made: SecureValue) -> None:
    """What a replica of the earlier release leaves behind a create."""
    assert await database.fetchrow(EARLIER_TAKE, *EARLIER_KEY, BY_SUBJECT) is not None
    await database.execute(EARLIER_RECORD, *EARLIER_KEY, resource_to_json(made))


async def test_a_create_of_the_earlier_release_is_still_the_repeat(
    application: Application, database: Database
) -> None:
    made = a_secure_value()
    await earlier_create(database, made)

    assert await application.create_once(BOTH, a_draft(), caller=OURS) == made


@pytest.mark.parametrize(
    "caller", [THEIRS, a_caller(only_issuer=False)], ids=["another issuer", "perhaps the same"]
)
async def test_a_create_of_the_earlier_release_is_nobodys_if_two_issuers_could_have_sent_it(
    application: Application, database: Database, caller: Caller
) -> None:
    await earlier_create(database, a_secure_value())

    with pytest.raises(InvalidArgumentError) as error:
        await application.create_once(BOTH, a_draft(name="other"), caller=caller)

    assert broken(error.value) == [("Idempotency-Key", Rule.INVALID)]
    assert await application.stores.reader.get("default", "other") is None


async def test_the_earlier_release_finds_what_this_one_made(
    application: Application, database: Database
) -> None:
    made = await application.create_once(BOTH, a_draft(), caller=OURS)

    assert await database.fetchrow(EARLIER_TAKE, *EARLIER_KEY, BY_SUBJECT) is None
    row = await database.fetchrow(EARLIER_READ, *EARLIER_KEY)
    assert row is not None
    assert (row["fingerprint"], secure_value_from_json(row["outcome"])) == (BY_SUBJECT, made)


async def test_an_old_key_that_the_earlier_release_takes_anew_has_no_issuer_any_more(
    application: Application, database: Database
) -> None:
    await application.create_once(BOTH, a_draft(), caller=OURS)
    await database.execute(AGE, "create-1", 24 * HOUR)
    await earlier_create(database, a_secure_value())

    found = await application.stores.idempotency.find(
        IdempotencyKey("default", OURS.principal, "create-1"), younger_than=24 * HOUR
    )

    assert found is not None
    assert (found.issuer, found.fingerprint) == (None, Fingerprint(BY_SUBJECT))


@pytest.mark.parametrize("first", [OURS, THEIRS], ids=["one first", "the other first"])
async def test_equal_subjects_of_two_issuers_make_one_each_and_look_different_at_rest(
    application: Application, database: Database, first: Caller
) -> None:
    second = THEIRS if first is OURS else OURS
    theirs = Idempotency("create-1", Fingerprint(BY_SUBJECT, bytes([3] * 32)))
    draft = a_draft(name="", generate_name="sv-")

    one = await application.create_once(BOTH, draft, caller=first)
    other = await application.create_once(theirs, draft, caller=second)

    assert one.name != other.name
    assert (one.created_by, other.created_by) == (first.subject, first.subject)
    assert {one.created_by_issuer, other.created_by_issuer} == {OURS.issuer, THEIRS.issuer}
    assert await application.create_once(BOTH, draft, caller=first) == one
    assert await application.create_once(theirs, draft, caller=second) == other
    rows = await database.fetch("SELECT fingerprint, issuer_fingerprint FROM idempotency_keys")
    assert len({row["fingerprint"] for row in rows}) == 2
    assert len({row["issuer_fingerprint"] for row in rows}) == 2
