"""The two ports, as a client and as the vault meet them."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_client import call
from chassis.held_streams import HeldStreams
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2 as resource
from protos.splitkeep.metadata.v1 import secure_values_pb2 as clients_pb
from protos.splitkeep.metadata.v1 import secure_values_pb2_grpc as clients_grpc
from protos.splitkeep.metadata.v1 import selector_pb2
from protos.splitkeep.metadata.v1 import vault_peer_pb2 as peer_pb
from protos.splitkeep.metadata.v1 import vault_peer_pb2_grpc as peer_grpc
from tests.integration.metadata_svc.wire import Credentials, Wire, wired

SECONDS = 5.0
SELECTOR = selector_pb2.Selector(
    labels=[
        selector_pb2.LabelRequirement(
            key="team", operator=selector_pb2.LABEL_OPERATOR_IN, values=["platform", "x"]
        )
    ],
    fields=[
        selector_pb2.FieldRequirement(field=selector_pb2.SELECTED_FIELD_DECRYPTER, value="sm")
    ],
)
CREATE, UPDATE = peer_pb.OPERATION_CREATE, peer_pb.OPERATION_UPDATE


@pytest.fixture
async def wire(
    tmp_path: Path, database: Database, metadata_dsn: Sensitive[str]
) -> AsyncIterator[Wire]:
    async with wired(Credentials(tmp_path), database, metadata_dsn) as wire:
        yield wire


def a_draft(**changes: Any) -> resource.SecureValueDraft:
    fields = {
        "namespace": "default",
        "name": "pg-main",
        "description": "Main PG password",
        "decrypters": ["k6-cloud", "sm"],
        "labels": {"team": "platform"},
        "annotations": {"example.com/note": "ж"},
    }
    return resource.SecureValueDraft(**fields | changes)


async def resolved(wire: Wire, request: peer_pb.ResolveRequest) -> peer_pb.ResolveResponse:
    stub = peer_grpc.VaultPeerStub(wire.peer)
    return await HeldStreams(stub.Resolve).ask(request, deadline_seconds=SECONDS)


def resolving(names: Sequence[str], service_identity: str) -> peer_pb.ResolveRequest:
    question = peer_pb.Question(
        namespace="default", names=names, service_identity=service_identity
    )
    return peer_pb.ResolveRequest(questions=[question])


async def ask_peer(
    wire: Wire, method: str, request: Any, *, token: Sensitive[str] | None = None
) -> Any:
    stub = peer_grpc.VaultPeerStub(wire.peer)
    return await call(getattr(stub, method), request, deadline_seconds=SECONDS, token=token)


async def ask(wire: Wire, method: str, request: Any, **claims: Any) -> Any:
    stub = clients_grpc.SecureValuesStub(wire.clients)
    token = wire.credentials.token(**claims)
    return await call(getattr(stub, method), request, deadline_seconds=SECONDS, token=token)


async def write(
    wire: Wire,
    draft: resource.SecureValueDraft,
    operation: peer_pb.Operation.ValueType = CREATE,
) -> tuple[peer_pb.PreparedWrite, resource.SecureValue]:
    token = wire.credentials.token()
    prepare = peer_pb.PrepareRequest(operation=operation, draft=draft)
    prepared = (await ask_peer(wire, "Prepare", prepare, token=token)).prepared
    claim = peer_pb.ClaimRequest(prepared=prepared, draft=draft)
    claimed = await ask_peer(wire, "Claim", claim, token=token)
    return prepared, claimed.secure_value


async def test_a_secure_value_is_created_read_listed_edited_and_deleted(wire: Wire) -> None:
    _, created = await write(wire, a_draft())
    get = clients_pb.GetSecureValueRequest(namespace="default", name="pg-main")
    read = (await ask(wire, "GetSecureValue", get)).secure_value
    listed = await ask(
        wire,
        "ListSecureValues",
        clients_pb.ListSecureValuesRequest(namespace="default", selector=SELECTOR),
    )
    edit = clients_pb.UpdateSecureValueRequest(draft=a_draft(description="another"))
    edited = (await ask(wire, "UpdateSecureValue", edit)).secure_value
    delete = clients_pb.DeleteSecureValueRequest(
        namespace="default",
        name="pg-main",
        preconditions=resource.Preconditions(uid=created.uid, resource_version="2"),
    )
    gone = (await ask(wire, "DeleteSecureValue", delete)).secure_value

    assert read == created
    assert (list(listed.secure_values), listed.more) == ([created], False)
    assert listed.resource_version == 1
    assert (edited.description, edited.version, edited.generation) == ("another", 1, 2)
    assert gone == edited
    with pytest.raises(NotFoundError) as error:
        await ask(wire, "GetSecureValue", get)
    assert error.value.message == 'securevalue.secret.grafana.app "pg-main" not found'


@pytest.mark.parametrize("dry_run", [True, False])
async def test_who_may_only_delete_is_told_which_one_and_no_more(
    wire: Wire, *, dry_run: bool
) -> None:
    _, created = await write(wire, a_draft())
    grants = [
        {"action": "secret.securevalues:delete", "scope": "secret.securevalues:uid:pg-main"},
        {"action": "secret.securevalues:read", "scope": "secret.securevalues:uid:another"},
    ]
    delete = clients_pb.DeleteSecureValueRequest(
        namespace="default", name="pg-main", dry_run=dry_run
    )

    gone = await ask(wire, "DeleteSecureValue", delete, roles=[], grants=grants)

    assert gone.secure_value == resource.SecureValue(
        namespace="default", name="pg-main", uid=created.uid, resource_version=1
    )


UPDATER = {
    "roles": [],
    "grants": [
        {"action": "secret.securevalues:write", "scope": "secret.securevalues:uid:pg-main"}
    ],
}


@pytest.mark.parametrize("dry_run", [True, False])
async def test_who_may_only_write_is_told_which_one_and_no_more(
    wire: Wire, *, dry_run: bool
) -> None:
    _, created = await write(wire, a_draft())
    edit = clients_pb.UpdateSecureValueRequest(
        draft=a_draft(description="new"), dry_run=dry_run
    )

    edited = (await ask(wire, "UpdateSecureValue", edit, **UPDATER)).secure_value

    assert edited == resource.SecureValue(
        namespace="default",
        name="pg-main",
        uid=created.uid,
        resource_version=1 if dry_run else 2,
    )


async def test_a_new_value_tells_who_may_only_write_no_more_either(wire: Wire) -> None:
    _, created = await write(wire, a_draft())
    token = wire.credentials.token(**UPDATER)
    prepare = peer_pb.PrepareRequest(operation=UPDATE, draft=a_draft(), dry_run=True)
    prepared = await ask_peer(wire, "Prepare", prepare, token=token)
    claim = peer_pb.ClaimRequest(prepared=prepared.prepared, draft=a_draft())
    claimed = (await ask_peer(wire, "Claim", claim, token=token)).secure_value

    which: dict[str, Any] = {"namespace": "default", "name": "pg-main", "uid": created.uid}
    assert prepared.preview == resource.SecureValue(**which, resource_version=1)
    assert claimed == resource.SecureValue(**which, resource_version=2)


async def test_who_may_only_create_is_told_what_was_created(wire: Wire) -> None:
    grant = {"action": "secret.securevalues:create", "scope": "secret.securevalues:*"}
    token = wire.credentials.token(roles=[], grants=[grant])
    prepare = peer_pb.PrepareRequest(operation=CREATE, draft=a_draft(), dry_run=True)
    prepared = await ask_peer(wire, "Prepare", prepare, token=token)
    claim = peer_pb.ClaimRequest(prepared=prepared.prepared, draft=a_draft())
    claimed = (await ask_peer(wire, "Claim", claim, token=token)).secure_value

    assert prepared.preview.description == claimed.description == "Main PG password"


async def test_a_secure_value_crosses_whole(wire: Wire) -> None:
    before = datetime.now(UTC)
    _, created = await write(wire, a_draft())

    assert UUID(created.uid).version == 4
    assert before <= created.created_at.ToDatetime(UTC) <= datetime.now(UTC)
    assert created == resource.SecureValue(
        namespace="default",
        name="pg-main",
        uid=created.uid,
        resource_version=1,
        generation=1,
        created_at=created.created_at,
        updated_at=created.created_at,
        created_by="user:u1",
        updated_by="user:u1",
        description="Main PG password",
        decrypters=["k6-cloud", "sm"],
        labels={"team": "platform"},
        annotations={"example.com/note": "ж"},
        keeper="system",
        version=1,
    )


async def test_no_answer_to_a_client_has_a_field_for_a_value_id() -> None:
    fields = {field.name for field in resource.SecureValue.DESCRIPTOR.fields}

    assert not {name for name in fields if "value_id" in name or name == "value"}


async def test_a_dry_run_previews_and_writes_nothing(wire: Wire) -> None:
    request = peer_pb.PrepareRequest(operation=CREATE, draft=a_draft(), dry_run=True)
    answer = await ask_peer(wire, "Prepare", request, token=wire.credentials.token())
    get = clients_pb.GetSecureValueRequest(namespace="default", name="pg-main")

    assert (answer.preview.name, answer.preview.version) == ("pg-main", 1)
    with pytest.raises(NotFoundError):
        await ask(wire, "GetSecureValue", get)


async def test_a_taken_name_says_so_in_the_words_that_clients_look_for(wire: Wire) -> None:
    await write(wire, a_draft())

    with pytest.raises(AlreadyExistsError) as error:
        await write(wire, a_draft())
    assert error.value.message == (
        'secure value already exists: securevalues.secret.grafana.app "pg-main" already exists'
    )


async def test_every_violation_crosses(wire: Wire) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await write(wire, a_draft(name="*", description="", ref="x"))

    fields = [v.field for v in error.value.violations]
    assert fields == ["metadata.name", "spec.description", "spec.ref"]


async def test_the_vault_resolves_without_a_token(wire: Wire) -> None:
    prepared, _ = await write(wire, a_draft())
    request = resolving(["nowhere", "pg-main", "pg-main"], "sm")

    answer = await resolved(wire, request)

    allowed, missing = peer_pb.DECISION_ALLOWED, peer_pb.DECISION_NOT_FOUND
    told = peer_pb.Decisions(
        decisions=[missing, allowed, allowed],
        value_ids=UUID(prepared.value_id).bytes * 2,
        versions=[1, 1],
    )
    assert list(answer.answers) == [told]


async def test_who_is_not_on_the_list_is_told_nothing_else(wire: Wire) -> None:
    await write(wire, a_draft())

    answer = await resolved(wire, resolving(["pg-main"], "other"))

    denied = peer_pb.Decisions(decisions=[peer_pb.DECISION_NOT_AUTHORIZED])
    assert list(answer.answers) == [denied]


async def test_the_vault_asks_for_several_callers_at_once(wire: Wire) -> None:
    await write(wire, a_draft())
    questions = [
        question
        for identity in ("other", " ", "sm")
        for question in resolving(["pg-main"], identity).questions
    ]

    answer = await resolved(wire, peer_pb.ResolveRequest(questions=questions))

    assert [(list(a.decisions), len(a.value_ids)) for a in answer.answers] == [
        ([peer_pb.DECISION_NOT_AUTHORIZED], 0),
        ([], 0),
        ([peer_pb.DECISION_ALLOWED], 16),
    ]


async def test_a_keeper_other_than_the_systems_is_told(
    wire: Wire, metadata_dsn: Sensitive[str]
) -> None:
    await write(wire, a_draft())
    await write(wire, a_draft(name="kept"))
    connection = await asyncpg.connect(metadata_dsn.reveal())
    await connection.execute("UPDATE secure_values SET keeper = 'aws' WHERE name = 'kept'")
    await connection.close()

    answer = await resolved(wire, resolving(["kept", "pg-main"], "sm"))

    assert list(answer.answers[0].keepers) == ["aws", "system"]


async def test_the_sweepers_round(wire: Wire) -> None:
    old, _ = await write(wire, a_draft())
    live, _ = await write(wire, a_draft(), UPDATE)
    keys = [
        peer_pb.ValueKey(namespace="default", value_id=v)
        for v in (str(UUID(int=7)), live.value_id, old.value_id)
    ]

    refused = await ask_peer(wire, "Refuse", peer_pb.RefuseRequest(values=keys))
    young = await ask_peer(
        wire, "Released", peer_pb.ReleasedRequest(minimum_age=Duration(seconds=3600))
    )
    released = await ask_peer(wire, "Released", peer_pb.ReleasedRequest())
    after = await ask_peer(wire, "Released", peer_pb.ReleasedRequest(after=keys[2]))
    await ask_peer(wire, "Acknowledge", peer_pb.AcknowledgeRequest(values=released.values))
    erased = await ask_peer(wire, "Refuse", peer_pb.RefuseRequest(values=[keys[2]]))

    assert [v.value for v in refused.values] == keys
    assert [v.state for v in refused.values] == [
        peer_pb.VALUE_STATE_REFUSED,
        peer_pb.VALUE_STATE_CLAIMED,
        peer_pb.VALUE_STATE_RELEASED,
    ]
    assert (list(young.values), list(released.values)) == ([], [keys[2]])
    assert list(after.values) == []
    assert [v.state for v in erased.values] == [peer_pb.VALUE_STATE_ERASED]


async def test_a_refused_write_is_a_conflict(wire: Wire) -> None:
    token = wire.credentials.token()
    draft = a_draft()
    prepare = peer_pb.PrepareRequest(operation=CREATE, draft=draft)
    prepared = (await ask_peer(wire, "Prepare", prepare, token=token)).prepared
    key = peer_pb.ValueKey(namespace="default", value_id=prepared.value_id)
    await ask_peer(wire, "Refuse", peer_pb.RefuseRequest(values=[key]))

    claim = peer_pb.ClaimRequest(prepared=prepared, draft=draft)
    with pytest.raises(ConflictError):
        await ask_peer(wire, "Claim", claim, token=token)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Prepare", peer_pb.PrepareRequest(draft=a_draft())),
        ("Claim", peer_pb.ClaimRequest(draft=a_draft())),
        (
            "Claim",
            peer_pb.ClaimRequest(
                draft=a_draft(),
                prepared=peer_pb.PreparedWrite(operation=CREATE, uid="no uuid", value_id="x"),
            ),
        ),
        ("Refuse", peer_pb.RefuseRequest(values=[peer_pb.ValueKey(value_id="x")])),
        ("Acknowledge", peer_pb.AcknowledgeRequest(values=[peer_pb.ValueKey()])),
        ("Released", peer_pb.ReleasedRequest(page_size=-1)),
        ("Released", peer_pb.ReleasedRequest(minimum_age=Duration(seconds=-1))),
        ("Released", peer_pb.ReleasedRequest(minimum_age=Duration(seconds=10**18))),
        (
            "Refuse",
            peer_pb.RefuseRequest(
                values=[peer_pb.ValueKey(namespace="n" * 9_000, value_id=str(UUID(int=1)))]
            ),
        ),
    ],
)
async def test_a_malformed_request_of_the_vault_is_refused(
    wire: Wire, method: str, request_: Any
) -> None:
    with pytest.raises(InvalidArgumentError):
        await ask_peer(wire, method, request_, token=wire.credentials.token())


async def test_more_names_than_a_question_may_have_are_refused(wire: Wire) -> None:
    with pytest.raises(InvalidArgumentError):
        await resolved(wire, resolving(["a"] * 1001, "k6"))


@pytest.mark.parametrize("method", ["Prepare", "Claim"])
async def test_the_vaults_certificate_alone_writes_nothing(wire: Wire, method: str) -> None:
    request = {
        "Prepare": peer_pb.PrepareRequest(operation=CREATE, draft=a_draft()),
        "Claim": peer_pb.ClaimRequest(draft=a_draft()),
    }[method]

    with pytest.raises(UnauthenticatedError):
        await ask_peer(wire, method, request)
    with pytest.raises(PermissionDeniedError):
        await ask_peer(
            wire,
            "Prepare",
            peer_pb.PrepareRequest(operation=CREATE, draft=a_draft()),
            token=wire.credentials.token(roles=[]),
        )


async def test_a_peer_that_is_not_the_vault_gets_nothing(wire: Wire) -> None:
    request = resolving(["a"], "k6")
    other = wire.credentials.peers.issue("splitkeep-metadata", file="other")
    stranger = wire.credentials.clients.issue("splitkeep-vault", file="stranger")

    for pair, error in (
        (other, PermissionDeniedError),
        (stranger, UnavailableError),
        (None, UnavailableError),
    ):
        channel = wire.peer_as(pair)
        stub = peer_grpc.VaultPeerStub(channel)
        with pytest.raises(error):
            await HeldStreams(stub.Resolve).ask(request, deadline_seconds=SECONDS)
        await channel.close()


async def test_the_client_port_does_not_know_the_vaults_service(wire: Wire) -> None:
    stub = peer_grpc.VaultPeerStub(wire.clients)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.Resolve(timeout=SECONDS).read()  # nothing is sent that could fail first
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        pytest.param({"exp": 1}, UnauthenticatedError, id="expired"),
        pytest.param({"aud": ["another"]}, UnauthenticatedError, id="another audience"),
        pytest.param({"namespace": "other"}, PermissionDeniedError, id="another namespace"),
        pytest.param({"roles": []}, PermissionDeniedError, id="no role"),
        pytest.param(
            {"roles": [], "serviceIdentity": "k6-cloud"}, PermissionDeniedError, id="a service"
        ),
    ],
)
async def test_a_client_without_the_right_is_refused_whatever_there_is(
    wire: Wire, claims: dict[str, Any], error: type[Exception]
) -> None:
    await write(wire, a_draft())

    for name in ("pg-main", "nowhere"):
        get = clients_pb.GetSecureValueRequest(namespace="default", name=name)
        with pytest.raises(error):
            await ask(wire, "GetSecureValue", get, **claims)


async def test_a_grant_of_one_name_shows_one_name(wire: Wire) -> None:
    await write(wire, a_draft())
    await write(wire, a_draft(name="other"))
    grants = [{"action": "secret.securevalues:read", "scope": "secret.securevalues:uid:other"}]

    listed = await ask(
        wire,
        "ListSecureValues",
        clients_pb.ListSecureValuesRequest(namespace="default"),
        roles=[],
        grants=grants,
    )

    assert [s.name for s in listed.secure_values] == ["other"]


async def test_a_list_stays_below_what_a_message_may_weigh(wire: Wire) -> None:
    heavy = {"example.com/heavy": "x" * 250_000}
    for number in range(12):
        await write(wire, a_draft(name=f"n{number:02}", annotations=heavy))

    names: list[str] = []
    more = True
    while more:
        request = clients_pb.ListSecureValuesRequest(
            namespace="default", after_name=names[-1] if names else ""
        )
        listed = await ask(wire, "ListSecureValues", request)
        names += [s.name for s in listed.secure_values]
        more = listed.more
        assert listed.ByteSize() < 3 * 1024 * 1024

    assert names == [f"n{number:02}" for number in range(12)]
