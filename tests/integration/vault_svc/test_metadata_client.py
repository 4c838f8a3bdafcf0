"""The client keeps its port's promises over real gRPC with certificates on both sides."""

from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from chassis.errors import (
    ConflictError,
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from chassis.grpc_client import open_channel
from protos.splitkeep.metadata.v1 import vault_peer_pb2
from tests.contracts.vault_svc.metadata_client import MetadataClientContract
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE, a_write
from tests.integration.vault_svc.installation import Installation
from tests.integration.vault_svc.peer import InMemoryPeer
from vault_svc.metadata_client import GrpcMetadataClient
from vault_svc.ports.metadata import Decision, Question

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
