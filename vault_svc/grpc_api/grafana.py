"""Grafana's decrypt service: both of its packages, which differ in nothing but their name.

A name's failure is an error message of its own and never a status of the call; the message is
never empty, because their client reads an empty one as a value.
"""

from typing import Any, Protocol

from vault_svc.grpc_api.callers import NamesRequest, decrypt_call
from vault_svc.ports.decisions import Answer
from vault_svc.use_cases.decrypt import DecryptSecureValues
from vault_svc.use_cases.opening import Form


class Messages(Protocol):
    """The generated messages of either package."""

    SecureValueDecryptResponseCollection: Any


class GrafanaDecrypter:
    """Answers as Grafana's contract has it."""

    def __init__(self, messages: Messages, decrypt: DecryptSecureValues) -> None:
        self._collection = messages.SecureValueDecryptResponseCollection
        self._decrypt = decrypt

    async def DecryptSecureValues(self, request: NamesRequest, context: Any) -> Any:
        call = decrypt_call(request, context, Form.TEXT)
        collection = self._collection()
        results = collection.decrypted_values
        for outcome in await self._decrypt.decrypt(call):
            if outcome.answer is Answer.GRANTED and outcome.value is not None:
                results[outcome.name].value = outcome.value.reveal().decode()
            else:
                results[outcome.name].error_message = outcome.answer.value
        return collection
