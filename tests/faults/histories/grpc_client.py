"""Calls metadata and the vault themselves, over gRPC, at whichever replica answers."""

from dataclasses import dataclass, replace
from typing import Any

import grpc

from protos.splitkeep.metadata.v1 import secure_value_pb2, secure_values_pb2
from protos.splitkeep.metadata.v1.secure_values_pb2_grpc import SecureValuesStub as MetadataStub
from protos.splitkeep.vault.v1 import decrypter_pb2
from protos.splitkeep.vault.v1 import secure_values_pb2 as valued_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub as VaultStub
from splitkeep.local.stack import NAMESPACE, SERVICE_IDENTITY
from tests.faults.histories.client import CALL_SECONDS, LABEL, conflict, decrypters, labels
from tests.faults.histories.history import History
from tests.faults.histories.model import Answer, Operation, Shown, Spec, Verb

REQUESTS: dict[Verb, Any] = {
    Verb.GET: secure_values_pb2.GetSecureValueRequest,
    Verb.DELETE: secure_values_pb2.DeleteSecureValueRequest,
    Verb.EDIT: secure_values_pb2.UpdateSecureValueRequest,
    Verb.UPDATE: valued_pb2.UpdateSecureValueRequest,
    Verb.CREATE: valued_pb2.CreateSecureValueRequest,
}
FAILURES = {
    decrypter_pb2.DECRYPT_FAILURE_NOT_FOUND: Answer.NOT_FOUND,
    decrypter_pb2.DECRYPT_FAILURE_NOT_AUTHORIZED: Answer.NOT_AUTHORIZED,
}
ANSWERS = {
    grpc.StatusCode.UNAVAILABLE: Answer.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED: Answer.UNKNOWN,
    grpc.StatusCode.CANCELLED: Answer.UNKNOWN,
    grpc.StatusCode.NOT_FOUND: Answer.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: Answer.ALREADY_EXISTS,
}


@dataclass(frozen=True, repr=False)
class GrpcClient:
    """See client.Client."""

    metadata: MetadataStub
    vault: VaultStub
    decrypter: DecrypterStub
    tokens: dict[str, str]
    verbs = frozenset(Verb) - {Verb.PATCH}

    async def ask(self, history: History, asked: Operation) -> Operation:
        try:
            if asked.verb is Verb.DECRYPT:
                return await self._decrypt(history, asked)
            shown = await self._ask(history, asked)
        except grpc.aio.AioRpcError as error:
            return replace(asked, answer=_refusal(error))
        return replace(asked, answer=Answer.DONE, shown=_shown(shown))

    async def _ask(self, history: History, asked: Operation) -> secure_value_pb2.SecureValue:
        request = REQUESTS[asked.verb]()
        if asked.verb in {Verb.GET, Verb.DELETE}:
            request.namespace, request.name = NAMESPACE, history.name
        else:
            request.draft.CopyFrom(_draft(history, asked))
        if asked.value:
            request.value = history.value(asked.value).encode()
        if asked.expected is not None:
            request.preconditions.resource_version = str(asked.expected)
        answer = await self._method(asked.verb)(
            request, metadata=self._as("admin"), timeout=CALL_SECONDS
        )
        shown: secure_value_pb2.SecureValue = answer.secure_value
        return shown

    def _method(self, verb: Verb) -> Any:
        return {
            Verb.GET: self.metadata.GetSecureValue,
            Verb.DELETE: self.metadata.DeleteSecureValue,
            Verb.EDIT: self.metadata.UpdateSecureValue,
            Verb.UPDATE: self.vault.UpdateSecureValue,
            Verb.CREATE: self.vault.CreateSecureValue,
        }[verb]

    async def _decrypt(self, history: History, asked: Operation) -> Operation:
        method: Any = self.decrypter.DecryptSecureValues
        request = decrypter_pb2.DecryptSecureValuesRequest(
            namespace=NAMESPACE, names=[history.name]
        )
        answer = await method(request, metadata=self._as("decrypter"), timeout=CALL_SECONDS)
        (result,) = answer.results
        if result.HasField("value"):
            value = history.name_of(result.value.decode())
            return replace(asked, answer=Answer.DONE, value=value, version=result.version)
        return replace(asked, answer=FAILURES.get(result.failure, Answer.WRONG))

    def _as(self, who: str) -> tuple[tuple[str, str], ...]:
        return (("x-access-token", self.tokens[who]),)


def _refusal(error: grpc.aio.AioRpcError) -> Answer:
    if error.code() is grpc.StatusCode.ABORTED:
        return conflict(error.details() or "")
    return ANSWERS.get(error.code(), Answer.WRONG)


def _draft(history: History, asked: Operation) -> secure_value_pb2.SecureValueDraft:
    return secure_value_pb2.SecureValueDraft(
        namespace=NAMESPACE,
        name=history.name,
        description=asked.spec.description or "",
        decrypters=decrypters(asked.spec),
        labels=labels(asked.spec),
    )


def _shown(found: secure_value_pb2.SecureValue) -> Shown:
    allowed, label = SERVICE_IDENTITY in found.decrypters, found.labels.get(LABEL, "")
    return Shown(
        found.uid,
        found.resource_version,
        found.generation,
        found.version,
        Spec(found.description, allowed, label),
    )
