"""Callers who share a hop to metadata: nobody hears what was true before, or of another."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from chassis.grpc_client import call
from protos.splitkeep.metadata.v1 import secure_value_pb2, vault_peer_pb2
from protos.splitkeep.vault.v1 import decrypter_pb2, secure_values_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.vault import NAMESPACE
from tests.integration.vault_svc.conftest import Serving
from tests.integration.vault_svc.installation import Installation
from tests.integration.vault_svc.peer import InMemoryPeer

Answer = str | bytes


class Callers:
    """Services that decrypt, each with a token of its own."""

    def __init__(self, serving: Serving, installation: Installation) -> None:
        self.channel, self.installation = serving.channel, installation

    async def create(self, name: str, value: bytes, *decrypters: str) -> None:
        draft = secure_value_pb2.SecureValueDraft(
            namespace=NAMESPACE, name=name, description="a password", decrypters=decrypters
        )
        await call(
            SecureValuesStub(self.channel).CreateSecureValue,
            secure_values_pb2.CreateSecureValueRequest(draft=draft, value=value),
            deadline_seconds=10,
            token=self.installation.writer(),
        )

    async def decrypt(self, identity: str, *names: str) -> list[Answer]:
        """The value of each name, or which failure."""
        answer: Any = await call(
            DecrypterStub(self.channel).DecryptSecureValues,
            decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=names),
            deadline_seconds=10,
            token=self.installation.token(identity=identity),
        )
        return [
            result.value
            if not result.failure
            else decrypter_pb2.DecryptFailure.Name(result.failure)
            for result in answer.results
        ]


@pytest.fixture
def callers(serving: Serving, installation: Installation) -> Callers:
    return Callers(serving, installation)


REFUSED = "DECRYPT_FAILURE_NOT_AUTHORIZED"
ABSENT = "DECRYPT_FAILURE_NOT_FOUND"


async def held_up(callers: Callers, peer: InMemoryPeer) -> asyncio.Task[list[Answer]]:
    """A decrypt that metadata has decided, and whose answer is on its way."""
    peer.hold_next = True
    stalled = asyncio.create_task(callers.decrypt("billing", "a"))
    await peer.held.wait()
    return stalled


async def test_a_removed_decrypter_is_refused_though_an_older_question_is_still_under_way(
    callers: Callers, peer: InMemoryPeer, known: InMemoryMetadata
) -> None:
    await callers.create("a", b"hunter2", "billing")
    stalled = await held_up(callers, peer)

    known.allow(NAMESPACE, "a")
    after = await callers.decrypt("billing", "a")
    assert not stalled.done()
    peer.let_go.set()

    assert after == [REFUSED]
    assert await stalled == [b"hunter2"]


async def test_a_deleted_value_is_gone_though_an_older_question_is_still_under_way(
    callers: Callers, peer: InMemoryPeer, known: InMemoryMetadata
) -> None:
    await callers.create("a", b"hunter2", "billing")
    stalled = await held_up(callers, peer)

    known.delete(NAMESPACE, "a")
    after = await callers.decrypt("billing", "a")
    assert not stalled.done()
    peer.let_go.set()

    assert after == [ABSENT]
    assert await stalled == [b"hunter2"]


async def test_callers_who_share_a_hop_get_each_their_own_answers(
    callers: Callers, peer: InMemoryPeer
) -> None:
    await callers.create("a", b"of a", "billing")
    await callers.create("b", b"of b", "k6-cloud")
    await callers.create("both", b"of both", "billing", "k6-cloud")
    stalled = await held_up(callers, peer)

    asked: list[tuple[str, ...]] = [
        ("billing", "a", "b", "both"),
        ("k6-cloud", "both", "b", "a"),
        ("nobody", "a", "absent"),
    ]
    answers = await asyncio.gather(*(callers.decrypt(*one) for one in asked * 8))
    peer.let_go.set()

    assert answers == 8 * [
        [b"of a", REFUSED, b"of both"],
        [b"of both", b"of b", REFUSED],
        [REFUSED, ABSENT],
    ]
    assert await stalled == [b"of a"]
    assert max(map(len, resolves(peer))) > 1


async def test_one_who_leaves_spoils_nobodys_answer(
    callers: Callers, peer: InMemoryPeer
) -> None:
    await callers.create("a", b"hunter2", "billing")
    stalled = await held_up(callers, peer)

    waiting = [asyncio.create_task(callers.decrypt("billing", "a")) for _ in range(8)]
    stalled.cancel()
    waiting[0].cancel()
    peer.let_go.set()

    assert await asyncio.gather(*waiting[1:]) == 7 * [[b"hunter2"]]


def resolves(peer: InMemoryPeer) -> list[Sequence[vault_peer_pb2.Question]]:
    return [
        request.questions
        for request in peer.requests
        if isinstance(request, vault_peer_pb2.ResolveRequest)
    ]
