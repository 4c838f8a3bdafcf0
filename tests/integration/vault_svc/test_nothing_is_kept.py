"""After a call no Python object of the vault holds the value, and none the token.

What lies in freed memory is another matter (docs/threat-model.md, Host of `vault_svc`).
"""

import secrets

import pytest

from chassis.errors import KnownError
from chassis.grpc_client import call
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from protos.splitkeep.vault.v1 import decrypter_pb2, secure_values_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE
from tests.integration.vault_svc.conftest import Serving
from tests.integration.vault_svc.installation import Installation
from tests.reachable import still_held


@pytest.mark.parametrize("description", ["d", ""])
async def test_no_object_holds_a_value_after_it_was_written_and_read(
    serving: Serving, installation: Installation, description: str
) -> None:
    """Without a description it is refused once the vault has it."""
    marker = secrets.token_hex(16).encode()

    await written_and_read(serving, installation, description, marker)

    assert await still_held(marker) == []


async def test_no_object_holds_a_token_after_the_call(
    serving: Serving, installation: Installation
) -> None:
    accepted, refused = installation.token(), Sensitive(f"x.{secrets.token_hex(16)}.y")

    for token in (accepted, refused):
        await read(serving, token, "absent")

    signature = accepted.reveal().rpartition(".")[2].encode()
    refused_part = refused.reveal().split(".")[1].encode()
    del accepted, refused, token
    assert await still_held(signature) == []
    assert await still_held(refused_part) == []


async def written_and_read(
    serving: Serving, installation: Installation, description: str, value: bytes
) -> None:
    draft = SecureValueDraft(
        namespace=NAMESPACE, name="kept", description=description, decrypters=[IDENTITY]
    )
    request = secure_values_pb2.CreateSecureValueRequest(draft=draft, value=value)
    method = SecureValuesStub(serving.channel).CreateSecureValue
    try:
        await call(method, request, deadline_seconds=10, token=installation.writer())
    except KnownError:
        assert not description
        return
    assert await read(serving, installation.token(), "kept") == value


async def read(serving: Serving, token: Sensitive[str], name: str) -> bytes | None:
    request = decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=[name])
    method = DecrypterStub(serving.channel).DecryptSecureValues
    try:
        answer = await call(method, request, deadline_seconds=10, token=token)
    except KnownError:
        return None
    return answer.results[0].value
