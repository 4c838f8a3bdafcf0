"""The client keeps its port's promises over real gRPC with certificates on both sides."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
import structlog

from chassis.errors import (
    ConflictError,
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from chassis.grpc_client import open_channel
from protos.splitkeep.metadata.v1 import secure_value_pb2, vault_peer_pb2
from tests.contracts.vault_svc.metadata_client import MetadataClientContract
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE, a_write, prepared_by
from tests.integration.vault_svc.installation import Installation
from tests.integration.vault_svc.peer import InMemoryPeer
from vault_svc.domain.draft import Operation
from vault_svc.domain.fingerprint import Fingerprint
from vault_svc.metadata_client import GrpcMetadataClient
from vault_svc.ports.metadata import Decision, Idempotency, Question, ValueState
from vault_svc.ports.values import ValueKey

A_QUESTION = Question(NAMESPACE, ["a"], IDENTITY)
ALLOWED = vault_peer_pb2.DECISION_ALLOWED


@pytest.fixture
def client(peer_channel: grpc.aio.Channel) -> GrpcMetadataClient:
    return GrpcMetadataClient(peer_channel)


class TestGrpcMetadataClient(MetadataClientContract):
    pass


@pytest.mark.parametrize(
    "failure",
    [
        PermissionDeniedError(),
        InvalidArgumentError("no"),
        ConflictError(),
        ResourceExhaustedError(),
        DeadlineExceededError(),
        UnavailableError(),
        ValueError("a bug"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_whatever_fails_a_question_of_the_vaults_own_makes_metadata_unavailable(
    client: GrpcMetadataClient, peer: InMemoryPeer, failure: Exception
) -> None:
    peer.failure = failure

    with pytest.raises(UnavailableError):
        await client.resolve([A_QUESTION])


async def test_the_callers_own_error_reaches_the_caller(
    client: GrpcMetadataClient, peer: InMemoryPeer
) -> None:
    peer.failure = ConflictError("changed")

    with pytest.raises(ConflictError, match="changed"):
        await client.prepare(a_write())


async def test_without_metadata_everything_is_unavailable(installation: Installation) -> None:
    pair = installation.vault_peer
    async with open_channel(
        "127.0.0.1:1",
        ca=installation.peer_ca,
        certificate_chain=pair.certificate,
        private_key=pair.private_key,
    ) as channel:
        with pytest.raises(UnavailableError):
            await GrpcMetadataClient(channel).resolve([A_QUESTION])


async def test_a_certificate_that_is_not_the_vaults_gets_nothing(
    installation: Installation, peer_port: int, stack: AsyncExitStack
) -> None:
    pair = installation.metadata_peer
    channel = open_channel(
        f"127.0.0.1:{peer_port}",
        ca=installation.peer_ca,
        certificate_chain=pair.certificate,
        private_key=pair.private_key,
        server_name="splitkeep-metadata",
    )
    await stack.enter_async_context(channel)

    with pytest.raises(UnavailableError):
        await GrpcMetadataClient(channel).resolve([A_QUESTION])


def an_answer(**said: Any) -> vault_peer_pb2.Decisions:
    told = {"decisions": [ALLOWED], "value_ids": bytes(16), "versions": [1]} | said
    return vault_peer_pb2.Decisions(**told)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [an_answer(), an_answer()],
        [an_answer(decisions=[ALLOWED] * 2, value_ids=bytes(32), versions=[1, 1])],
        [an_answer(decisions=[vault_peer_pb2.DECISION_UNSPECIFIED])],
        [
            an_answer(
                decisions=[vault_peer_pb2.DECISION_UNSPECIFIED], value_ids=b"", versions=[]
            )
        ],
        [an_answer(decisions=[vault_peer_pb2.DECISION_NOT_FOUND])],
        [an_answer(value_ids=b"", versions=[])],
        [an_answer(value_ids=bytes(15))],
        [an_answer(value_ids=bytes(17))],
        [an_answer(value_ids=bytes(32))],
        [an_answer(versions=[])],
        [an_answer(versions=[1, 2])],
        [an_answer(keepers=["system", "aws"])],
    ],
    ids=[
        "no answer",
        "two answers",
        "two names",
        "no decision, but a value",
        "no decision",
        "a value that is not there",
        "no value",
        "a short id",
        "more than an id",
        "two ids",
        "no version",
        "two versions",
        "two keepers",
    ],
)
async def test_an_answer_to_another_question_is_none(
    client: GrpcMetadataClient, peer: InMemoryPeer, answers: list[vault_peer_pb2.Decisions]
) -> None:
    peer.twisted = vault_peer_pb2.ResolveResponse(answers=answers)

    with pytest.raises(UnavailableError):
        await client.resolve([A_QUESTION])


def test_every_decision_of_the_wire_is_known() -> None:
    assert {decision.name for decision in Decision} | {"UNSPECIFIED"} == {
        name.removeprefix("DECISION_")
        for name in vault_peer_pb2.Decision.DESCRIPTOR.values_by_name
    }


Twist = Callable[[Any], object]


def prepares(**said: Any) -> Twist:
    return lambda answer: answer.prepared.MergeFrom(vault_peer_pb2.PreparedWrite(**said))


def tells(field: str, **said: Any) -> Twist:
    told = secure_value_pb2.SecureValue(**said)
    return lambda answer: getattr(answer, field).MergeFrom(told)


PREPARED: dict[str, Twist] = {
    "another name": prepares(name="db-passwords"),
    "another case of the name": prepares(name="DB-PASSWORD"),
    "a name with a NUL": prepares(name="db-password\0"),
    "another operation": prepares(operation=vault_peer_pb2.OPERATION_UPDATE),
    "no operation": lambda a: a.prepared.ClearField("operation"),
    "no name": lambda a: a.prepared.ClearField("name"),
    "no uid": lambda a: a.prepared.ClearField("uid"),
    "a uid that is none": prepares(uid="x"),
    "no keeper": lambda a: a.prepared.ClearField("keeper"),
    "a value id that is none": prepares(value_id="x"),
    "nothing": lambda a: a.Clear(),
    "an earlier create that nobody asked for": lambda a: a.recorded.SetInParent(),
}


@pytest.mark.parametrize("case", PREPARED)
async def test_nothing_is_prepared_by_an_answer_to_another_write(
    client: GrpcMetadataClient, peer: InMemoryPeer, case: str
) -> None:
    peer.twist = PREPARED[case]

    with structlog.testing.capture_logs() as logged, pytest.raises(UnavailableError):
        await client.prepare(a_write("db-password"))

    assert [line["log_level"] for line in logged] == ["error"]


@pytest.mark.parametrize(
    "name", ["db-password", "sv-", "sv", "sv-a/b", "sv-\0", "SV-a", "sv-é"]
)
async def test_a_generated_name_starts_with_the_prefix_and_goes_on(
    client: GrpcMetadataClient, peer: InMemoryPeer, name: str
) -> None:
    peer.twist = prepares(name=name)

    with pytest.raises(UnavailableError):
        await client.prepare(a_write(""))


async def test_an_update_is_prepared_for_the_uid_that_was_expected(
    client: GrpcMetadataClient, peer: InMemoryPeer
) -> None:
    write = a_write("a")
    prepared = await prepared_by(client, write)
    await client.claim(write, prepared)
    peer.twist = prepares(uid=str(uuid4()))

    with pytest.raises(UnavailableError):
        await client.prepare(a_write("a", operation=Operation.UPDATE, uid=prepared.uid))


@pytest.mark.parametrize(
    "said",
    [{"name": "b"}, {"namespace": "other"}, {"uid": str(uuid4())}],
    ids=lambda said: f"another {next(iter(said))}",
)
async def test_a_preview_or_an_outcome_of_another_secure_value_is_not_told(
    client: GrpcMetadataClient, peer: InMemoryPeer, said: dict[str, str]
) -> None:
    write = a_write("a")
    prepared = await prepared_by(client, write)

    peer.twist = tells("preview", **said)
    with pytest.raises(UnavailableError):
        await client.prepare(a_write("a", dry_run=True))

    peer.twist = tells("secure_value", **said)
    with pytest.raises(UnavailableError):
        await client.claim(write, prepared)


@pytest.mark.parametrize("said", [{"name": "b"}, {"namespace": "other"}], ids=str)
async def test_an_earlier_create_of_another_secure_value_is_not_told(
    client: GrpcMetadataClient, peer: InMemoryPeer, said: dict[str, str]
) -> None:
    asked = Idempotency("create-1", Fingerprint(bytes(32), bytes(32)))
    write = a_write("a", idempotency=asked)
    await client.claim(write, await prepared_by(client, write))
    peer.twist = tells("recorded", **said)

    with pytest.raises(UnavailableError):
        await client.prepare(write)


def adds(namespace: str, value_id: UUID) -> Twist:
    def twist(answer: Any) -> None:
        key = vault_peer_pb2.ValueKey(namespace=namespace, value_id=str(value_id))
        answer.values.add(value=key, state=vault_peer_pb2.VALUE_STATE_ERASED)

    return twist


@pytest.mark.parametrize(
    "twist",
    [adds(NAMESPACE, UUID(int=2)), adds("other", UUID(int=1)), adds(NAMESPACE, UUID(int=1))],
    ids=["another id", "another namespace", "the same id twice"],
)
async def test_no_state_is_taken_from_an_answer_about_other_value_ids(
    client: GrpcMetadataClient, peer: InMemoryPeer, twist: Twist
) -> None:
    peer.twist = twist

    with pytest.raises(UnavailableError):
        await client.refuse([ValueKey(NAMESPACE, UUID(int=1))])


async def test_a_page_of_released_ids_is_no_longer_than_asked(
    client: GrpcMetadataClient, peer: InMemoryPeer
) -> None:
    def twist(answer: Any) -> None:
        for number in range(3):
            answer.values.add(namespace=NAMESPACE, value_id=str(UUID(int=number)))

    peer.twist = twist

    with pytest.raises(UnavailableError):
        await client.released(after=None, limit=2)


async def test_values_of_an_impossible_namespace_do_not_fail_the_questions_about_others(
    client: GrpcMetadataClient, peer: InMemoryPeer
) -> None:
    possible, other = ValueKey(NAMESPACE, UUID(int=1)), ValueKey("n" * 64, UUID(int=2))

    with structlog.testing.capture_logs() as logged:
        states = await client.refuse([possible, other])
        await client.acknowledge([other, possible])

    assert states == ((possible, ValueState.REFUSED),)
    assert [len(request.values) for request in peer.requests] == [1, 1]
    assert [(line["log_level"], line["left_count"]) for line in logged] == [("error", 1)] * 2
