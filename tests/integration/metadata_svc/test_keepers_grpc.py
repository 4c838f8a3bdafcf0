"""Keepers, and what a caller may do, as a client of the client port meets them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    Rule,
    UnauthenticatedError,
)
from chassis.grpc_client import call
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import access_pb2 as access_pb
from protos.splitkeep.metadata.v1 import access_pb2_grpc as access_grpc
from protos.splitkeep.metadata.v1 import field_owner_pb2 as owner_pb
from protos.splitkeep.metadata.v1 import keepers_pb2 as pb
from protos.splitkeep.metadata.v1 import keepers_pb2_grpc as keepers_grpc
from protos.splitkeep.metadata.v1 import secure_value_pb2 as resource
from protos.splitkeep.metadata.v1 import secure_values_pb2 as values_pb
from protos.splitkeep.metadata.v1 import secure_values_pb2_grpc as values_grpc
from tests.contracts.metadata_svc.stores import put
from tests.fakes.metadata_svc.builders import a_secure_value
from tests.integration.metadata_svc.conftest import postgres_stores
from tests.integration.metadata_svc.wire import Credentials, Wire, wired
from tests.unit.chassis import tokens

SECONDS = 5.0
HERE: dict[str, Any] = {"namespace": "default", "name": "aws-main"}
AWS = pb.AwsKeeper(
    region="eu-central-1",
    assume_role=pb.AwsAssumeRole(assume_role_arn="arn:aws:iam::1:role/r", external_id="e-1"),
)
TERRAFORM = owner_pb.FieldManager(name="terraform", api_version="secret.grafana.app/v1beta1")


@pytest.fixture
async def wire(
    tmp_path: Path, database: Database, metadata_dsn: Sensitive[str]
) -> AsyncIterator[Wire]:
    async with wired(Credentials(tmp_path), database, metadata_dsn) as wire:
        yield wire


def a_draft(**changes: Any) -> pb.KeeperDraft:
    fields = {
        **HERE,
        "description": "The payments account",
        "labels": {"team": "platform"},
        "annotations": {"example.com/note": "ж"},
        "aws": AWS,
        "providers": ["aws"],
        "manager": TERRAFORM,
    }
    return pb.KeeperDraft(**fields | changes)


async def ask(wire: Wire, method: str, request: Any, **claims: Any) -> Any:
    stub = keepers_grpc.KeepersStub(wire.clients)
    token = wire.credentials.token(**claims)
    return await call(getattr(stub, method), request, deadline_seconds=SECONDS, token=token)


async def create(wire: Wire, **changes: Any) -> pb.Keeper:
    request = pb.CreateKeeperRequest(draft=a_draft(**changes))
    keeper: pb.Keeper = (await ask(wire, "CreateKeeper", request)).keeper
    return keeper


async def get(wire: Wire, **claims: Any) -> pb.GetKeeperResponse:
    answer: pb.GetKeeperResponse = await ask(
        wire, "GetKeeper", pb.GetKeeperRequest(**HERE), **claims
    )
    return answer


async def test_a_keeper_crosses_whole(wire: Wire) -> None:
    before = datetime.now(UTC)
    created = await create(wire)

    assert before <= created.created_at.ToDatetime(UTC) <= datetime.now(UTC)
    assert created == pb.Keeper(
        **HERE,
        uid=created.uid,
        resource_version=1,
        generation=1,
        created_at=created.created_at,
        updated_at=created.created_at,
        created_by="user:u1",
        updated_by="user:u1",
        description="The payments account",
        labels={"team": "platform"},
        annotations={"example.com/note": "ж"},
        active=False,
        aws=AWS,
        field_owners=[
            owner_pb.FieldOwner(
                manager="terraform",
                operation=owner_pb.OWNER_OPERATION_UPDATE,
                api_version="secret.grafana.app/v1beta1",
                at=created.created_at,
                fields=[
                    "metadata.annotations[example.com/note]",
                    "metadata.labels[team]",
                    "spec.aws",
                    "spec.description",
                ],
            )
        ],
    )
    assert await get(wire) == pb.GetKeeperResponse(keeper=created, readable=True)


async def test_a_keeper_is_edited_activated_and_deleted(wire: Wire) -> None:
    created = await create(wire)
    seen = resource.Preconditions(uid=created.uid, resource_version="1")
    edit = pb.UpdateKeeperRequest(draft=a_draft(description="another"), preconditions=seen)
    edited = (await ask(wire, "UpdateKeeper", edit)).keeper
    with pytest.raises(ConflictError):
        await ask(wire, "UpdateKeeper", edit)
    active = (await ask(wire, "ActivateKeeper", pb.ActivateKeeperRequest(**HERE))).keeper
    gone = (await ask(wire, "DeleteKeeper", pb.DeleteKeeperRequest(**HERE))).keeper

    assert (edited.description, edited.generation, edited.active) == ("another", 2, False)
    assert (active.active, active.generation, active.resource_version) == (True, 2, 3)
    assert gone == active
    with pytest.raises(NotFoundError):
        await get(wire)


async def test_who_may_only_delete_is_told_which_one_and_no_more(wire: Wire) -> None:
    created = await create(wire)
    grant = {"action": "secret.keepers:delete", "scope": "secret.keepers:*"}
    delete = pb.DeleteKeeperRequest(**HERE, dry_run=True)

    gone = (await ask(wire, "DeleteKeeper", delete, roles=[], grants=[grant])).keeper

    assert gone == pb.Keeper(**HERE, uid=created.uid, resource_version=1)


@pytest.mark.parametrize("method", ["UpdateKeeper", "ActivateKeeper"])
async def test_who_may_only_write_is_told_which_one_and_no_more(
    wire: Wire, method: str
) -> None:
    created = await create(wire)
    grant = {"action": "secret.keepers:write", "scope": "secret.keepers:uid:aws-main"}
    requests = {
        "UpdateKeeper": pb.UpdateKeeperRequest(draft=a_draft(), dry_run=True),
        "ActivateKeeper": pb.ActivateKeeperRequest(**HERE, dry_run=True),
    }

    told = (await ask(wire, method, requests[method], roles=[], grants=[grant])).keeper

    assert told == pb.Keeper(**HERE, uid=created.uid, resource_version=1)


async def test_dry_runs_preview_and_write_nothing(wire: Wire) -> None:
    draft = a_draft(name="other")
    dry = (
        await ask(wire, "CreateKeeper", pb.CreateKeeperRequest(draft=draft, dry_run=True))
    ).keeper
    created = await create(wire)
    edit = pb.UpdateKeeperRequest(draft=a_draft(description="x"), dry_run=True)
    edited = (await ask(wire, "UpdateKeeper", edit)).keeper
    activate = pb.ActivateKeeperRequest(**HERE, dry_run=True)
    active = (await ask(wire, "ActivateKeeper", activate)).keeper
    gone = (
        await ask(wire, "DeleteKeeper", pb.DeleteKeeperRequest(**HERE, dry_run=True))
    ).keeper

    assert (dry.name, dry.resource_version) == ("other", 0)
    assert (edited.description, active.active, gone) == ("x", True, created)
    assert (await get(wire)).keeper == created


async def test_a_name_is_completed_from_a_prefix(wire: Wire) -> None:
    created = await create(wire, name="", generate_name="kp-")

    assert created.name.startswith("kp-")
    assert len(created.name) == 13


async def test_a_taken_name_is_told(wire: Wire) -> None:
    await create(wire)

    with pytest.raises(AlreadyExistsError) as error:
        await create(wire)
    assert error.value.message == 'keepers.secret.grafana.app "aws-main" already exists'


async def test_every_violation_crosses(wire: Wire) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await create(wire, name="system", aws=pb.AwsKeeper(), description="")

    assert [(v.field, v.rule) for v in error.value.violations] == [
        ("name", Rule.FORBIDDEN),
        ("spec.description", Rule.REQUIRED),
        ("spec.aws.region", Rule.REQUIRED),
        ("spec.aws", Rule.REQUIRED),
    ]


async def test_a_block_that_was_not_sent_is_told_from_one_that_is_empty(wire: Wire) -> None:
    for changes, expected in (
        ({"aws": None, "providers": []}, ["spec"]),
        ({"aws": None, "providers": ["azure"]}, ["spec.azure"]),
        ({"providers": ["azure", "aws"]}, ["spec"]),
        (
            {"aws": pb.AwsKeeper(region="r", assume_role=pb.AwsAssumeRole())},
            ["spec.aws.assumeRole.assumeRoleArn", "spec.aws.assumeRole.externalID"],
        ),
    ):
        with pytest.raises(InvalidArgumentError) as error:
            await create(wire, **changes)
        assert [v.field for v in error.value.violations] == expected


async def test_what_was_applied_crosses(wire: Wire) -> None:
    applied = owner_pb.AppliedFields(fields=["spec.aws"])
    manager = owner_pb.FieldManager(name="gitops", applied=applied)
    created = await create(wire, manager=manager)
    nothing = owner_pb.FieldManager(name="gitops", applied=owner_pb.AppliedFields())
    edit = pb.UpdateKeeperRequest(draft=a_draft(manager=nothing))
    edited = (await ask(wire, "UpdateKeeper", edit)).keeper

    (owner,) = created.field_owners
    assert (owner.manager, owner.operation) == ("gitops", owner_pb.OWNER_OPERATION_APPLY)
    assert list(owner.fields) == ["spec.aws"]
    assert list(edited.field_owners) == []
    assert edited.resource_version == 2


async def test_a_keeper_in_use_is_not_deleted(wire: Wire, database: Database) -> None:
    await create(wire)
    await put(postgres_stores(database), a_secure_value(keeper="aws-main"))

    for dry_run in (True, False):
        delete = pb.DeleteKeeperRequest(**HERE, dry_run=dry_run)
        with pytest.raises(FailedPreconditionError) as error:
            await ask(wire, "DeleteKeeper", delete)
        assert "in use" in error.value.message


async def test_the_vault_itself_is_activated_and_never_shown(wire: Wire) -> None:
    await create(wire)
    await ask(wire, "ActivateKeeper", pb.ActivateKeeperRequest(**HERE))
    system: dict[str, Any] = {"namespace": "default", "name": "system"}

    answer = await ask(wire, "ActivateKeeper", pb.ActivateKeeperRequest(**system))

    assert not answer.HasField("keeper")
    assert not (await get(wire)).keeper.active
    with pytest.raises(NotFoundError):
        await ask(wire, "GetKeeper", pb.GetKeeperRequest(**system))


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("CreateKeeper", pb.CreateKeeperRequest(draft=a_draft())),
        ("GetKeeper", pb.GetKeeperRequest(**HERE)),
        ("UpdateKeeper", pb.UpdateKeeperRequest(draft=a_draft())),
        ("DeleteKeeper", pb.DeleteKeeperRequest(**HERE)),
        ("ActivateKeeper", pb.ActivateKeeperRequest(**HERE)),
    ],
)
async def test_a_client_without_the_right_is_refused_whatever_there_is(
    wire: Wire, method: str, request_: Any
) -> None:
    with pytest.raises(PermissionDeniedError):
        await ask(wire, method, request_, roles=["fixed:secret.securevalues:reader"])
    stub = keepers_grpc.KeepersStub(wire.clients)
    with pytest.raises(UnauthenticatedError):
        await call(getattr(stub, method), request_, deadline_seconds=SECONDS)


def identity_of(item: Any) -> Any:
    """All that a caller is told who may not read it."""
    return type(item)(
        namespace=item.namespace,
        name=item.name,
        uid=item.uid,
        resource_version=item.resource_version,
    )


async def test_who_may_write_but_not_read_is_told_the_identity_and_only_if_it_suffices(
    wire: Wire,
) -> None:
    created = await create(wire)
    writer = {
        "roles": [],
        "grants": [{"action": "secret.keepers:write", "scope": "secret.keepers:uid:aws-main"}],
    }
    request = pb.GetKeeperRequest(**HERE, to_update=True, identity_suffices=True)

    found = await ask(wire, "GetKeeper", request, **writer)

    assert found == pb.GetKeeperResponse(keeper=identity_of(created), readable=False)
    with pytest.raises(PermissionDeniedError, match="read is not granted"):
        await ask(wire, "GetKeeper", pb.GetKeeperRequest(**HERE, to_update=True), **writer)
    with pytest.raises(PermissionDeniedError):
        await get(wire, **writer)
    with pytest.raises(PermissionDeniedError):
        await ask(wire, "GetKeeper", request, roles=["fixed:secret.keepers:reader"])


async def test_a_secure_value_too_is_told_to_a_writer_by_its_identity(
    wire: Wire, database: Database
) -> None:
    await put(postgres_stores(database), a_secure_value())
    stub = values_grpc.SecureValuesStub(wire.clients)

    async def read(*, to_update: bool, role: str, identity_suffices: bool = False) -> Any:
        request = values_pb.GetSecureValueRequest(
            namespace="default",
            name="pg-main",
            to_update=to_update,
            identity_suffices=identity_suffices,
        )
        token = wire.credentials.token(roles=[f"fixed:secret.securevalues:{role}"])
        return await call(stub.GetSecureValue, request, deadline_seconds=SECONDS, token=token)

    written = await read(to_update=True, role="updater", identity_suffices=True)
    shown = await read(to_update=False, role="reader")

    assert (written.secure_value, written.readable) == (identity_of(shown.secure_value), False)
    assert shown.readable
    for to_update, role in ((True, "reader"), (False, "updater"), (True, "updater")):
        with pytest.raises(PermissionDeniedError):
            await read(to_update=to_update, role=role)


async def review(wire: Wire, question: dict[str, str], **claims: Any) -> tuple[bool, bool]:
    """Whether it is allowed, and whether a reason is given."""
    stub = access_grpc.AccessStub(wire.clients)
    answer = await call(
        stub.ReviewAccess,
        access_pb.ReviewAccessRequest(**{"namespace": "default", **question}),
        deadline_seconds=SECONDS,
        token=wire.credentials.token(**claims),
    )
    return answer.allowed, bool(answer.reason)


async def test_a_caller_is_told_what_it_may_do(wire: Wire) -> None:
    reader = {"roles": ["fixed:secret.keepers:reader"]}
    watch = {"resource": "keepers", "verb": "watch"}
    activate = {"resource": "keepers", "subresource": "activate", "verb": "create", "name": "a"}
    deleter = {"roles": ["fixed:secret.securevalues:deleter"]}
    clear = {"resource": "securevalues", "verb": "deletecollection"}

    assert await review(wire, watch, **reader) == (True, False)
    assert await review(wire, clear) == (True, False)
    assert await review(wire, clear, **deleter) == (True, True)
    assert await review(wire, activate) == (True, False)
    assert await review(wire, activate, **reader) == (False, True)
    assert await review(wire, watch, namespace="other") == (False, True)
    assert await review(wire, {"resource": "pods", "verb": "get"}) == (False, True)


async def test_a_caller_is_told_its_rules(wire: Wire) -> None:
    stub = access_grpc.AccessStub(wire.clients)
    grants = [{"action": "secret.securevalues:read", "scope": "secret.securevalues:uid:a"}]

    answer = await call(
        stub.ListRules,
        access_pb.ListRulesRequest(namespace="default"),
        deadline_seconds=SECONDS,
        token=wire.credentials.token(roles=[], grants=grants),
    )

    assert list(answer.rules) == [
        access_pb.AccessRule(
            verbs=["get", "list", "watch"], resources=["securevalues"], names=["a"]
        )
    ]


async def test_a_caller_is_told_who_its_token_says_it_is(wire: Wire) -> None:
    stub = access_grpc.AccessStub(wire.clients)

    told = await call(
        stub.DescribeCaller,
        access_pb.DescribeCallerRequest(),
        deadline_seconds=SECONDS,
        token=wire.credentials.token(sub="user:u9", roles=["Admin"]),
    )

    assert (told.subject, told.issuer) == ("user:u9", tokens.ISSUER)
    assert list(told.roles) == ["Admin"]
    assert (told.namespace, told.service_identity) == ("default", "")


@pytest.mark.parametrize("method", ["ReviewAccess", "ListRules", "DescribeCaller"])
async def test_nobody_is_told_without_a_token(wire: Wire, method: str) -> None:
    stub = access_grpc.AccessStub(wire.clients)
    request = {
        "ReviewAccess": access_pb.ReviewAccessRequest(namespace="default"),
        "ListRules": access_pb.ListRulesRequest(namespace="default"),
        "DescribeCaller": access_pb.DescribeCallerRequest(),
    }[method]

    with pytest.raises(UnauthenticatedError):
        await call(getattr(stub, method), request, deadline_seconds=SECONDS)


async def test_the_peer_port_does_not_know_the_clients_services(wire: Wire) -> None:
    request = access_pb.ListRulesRequest(namespace="default")
    stub = access_grpc.AccessStub(wire.peer)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.ListRules(request, timeout=SECONDS)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
