"""The decrypt service of our own: bytes, typed failures, and answers in parts."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from protos.splitkeep.vault.v1 import decrypter_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterServicer
from vault_svc.grpc_api.callers import decrypt_call
from vault_svc.ports.decisions import Answer
from vault_svc.use_cases.decrypt import DecryptSecureValues
from vault_svc.use_cases.opening import Form, Outcome

_FAILURES = {
    Answer.NOT_FOUND: decrypter_pb2.DECRYPT_FAILURE_NOT_FOUND,
    Answer.NOT_AUTHORIZED: decrypter_pb2.DECRYPT_FAILURE_NOT_AUTHORIZED,
    Answer.DECRYPTION_FAILED: decrypter_pb2.DECRYPT_FAILURE_DECRYPTION_FAILED,
}


class Decrypter(DecrypterServicer):
    """Answers in the order asked."""

    def __init__(self, decrypt: DecryptSecureValues) -> None:
        self._decrypt = decrypt

    async def DecryptSecureValues(
        self, request: decrypter_pb2.DecryptSecureValuesRequest, context: Any
    ) -> decrypter_pb2.DecryptSecureValuesResponse:
        call = decrypt_call(request, context, Form.BYTES)
        response = decrypter_pb2.DecryptSecureValuesResponse()
        _add(response.results, await self._decrypt.decrypt(call))
        return response

    async def StreamSecureValues(
        self, request: decrypter_pb2.StreamSecureValuesRequest, context: Any
    ) -> AsyncIterator[decrypter_pb2.StreamSecureValuesResponse]:
        call = decrypt_call(request, context, Form.BYTES)
        async for outcomes in self._decrypt.stream(call):
            response = decrypter_pb2.StreamSecureValuesResponse()
            _add(response.results, outcomes)
            yield response


def _add(results: Any, outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.answer is Answer.GRANTED and outcome.value is not None:
            results.add(
                name=outcome.name, value=outcome.value.reveal(), version=outcome.version
            )
        else:
            results.add(name=outcome.name, failure=_FAILURES[outcome.answer])
