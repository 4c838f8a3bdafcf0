"""vault_svc with a fault: what metadata decided holds for another 50 milliseconds."""

import math
import sys
import time
from collections.abc import Sequence

import grpc

from chassis.process import run
from vault_svc import assembly
from vault_svc.__main__ import serve
from vault_svc.metadata_client import GrpcMetadataClient
from vault_svc.ports.metadata import Question, Resolution

REMEMBERED_SECONDS = 0.05
NEVER: tuple[float, tuple[Resolution, ...]] = (-math.inf, ())


def _key(question: Question) -> tuple[str, ...]:
    return (question.namespace, question.service_identity, *question.names)


class RememberingMetadataClient(GrpcMetadataClient):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        GrpcMetadataClient.__init__(self, channel)
        self._decided: dict[tuple[str, ...], tuple[float, tuple[Resolution, ...]]] = {}

    async def resolve(
        self, questions: Sequence[Question]
    ) -> tuple[tuple[Resolution, ...], ...]:
        decided = self._decided
        latest = time.monotonic() - REMEMBERED_SECONDS
        unknown = [each for each in questions if decided.get(_key(each), NEVER)[0] < latest]
        if unknown:
            answers = await GrpcMetadataClient.resolve(self, unknown)
            now = time.monotonic()
            for question, answer in zip(unknown, answers, strict=True):
                decided[_key(question)] = (now, answer)
        return tuple(decided[_key(each)][1] for each in questions)


if __name__ == "__main__":
    vars(assembly)["GrpcMetadataClient"] = RememberingMetadataClient
    sys.exit(run(serve))
