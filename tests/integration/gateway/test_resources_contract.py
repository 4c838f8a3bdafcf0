"""Both kinds' clients keep the promises of Resources, over real gRPC and TLS."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chassis.grpc_client import open_channel
from chassis.sensitive import Sensitive
from gateway.clients.keepers import KeepersClient
from gateway.clients.secure_values import SecureValuesClient
from gateway.representation.keepers import KeeperWrite
from gateway.representation.secure_values import SecureValueWrite
from protos.splitkeep.metadata.v1.keepers_pb2 import AwsAssumeRole, AwsKeeper, KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions, SecureValueDraft
from tests.contracts.gateway.resources import NAMESPACE, ResourcesContract, Subject
from tests.fakes.gateway.services import ADMIN, WRITER
from tests.integration.gateway.conftest import Gateway

SECONDS = 20


def a_secure_value(name: str, description: str, seen: Preconditions) -> SecureValueWrite:
    draft = SecureValueDraft(namespace=NAMESPACE, name=name, description=description)
    return SecureValueWrite(draft=draft, value=Sensitive(b"value"), preconditions=seen)


def a_keeper(name: str, description: str, seen: Preconditions) -> KeeperWrite:
    role = AwsAssumeRole(assume_role_arn="a", external_id="e")
    draft = KeeperDraft(
        namespace=NAMESPACE,
        name=name,
        description=description,
        providers=["aws"],
        aws=AwsKeeper(region="r", assume_role=role),
    )
    return KeeperWrite(draft=draft, preconditions=seen)


@pytest.mark.asyncio(loop_scope="session")
class TestSecureValues(ResourcesContract):
    @pytest_asyncio.fixture(loop_scope="session")
    async def subject(self, gateway: Gateway) -> AsyncIterator[Subject]:
        metadata = open_channel(f"localhost:{gateway.metadata_port}", ca=gateway.ca)
        vault = open_channel(f"localhost:{gateway.vault_port}", ca=gateway.ca)
        client = SecureValuesClient(metadata=metadata, vault=vault, call_seconds=SECONDS)
        yield Subject(client, a_secure_value, Sensitive(ADMIN), Sensitive(WRITER))
        await metadata.close()
        await vault.close()


@pytest.mark.asyncio(loop_scope="session")
class TestKeepers(ResourcesContract):
    @pytest_asyncio.fixture(loop_scope="session")
    async def subject(self, gateway: Gateway) -> AsyncIterator[Subject]:
        metadata = open_channel(f"localhost:{gateway.metadata_port}", ca=gateway.ca)
        client = KeepersClient(metadata=metadata, call_seconds=SECONDS)
        yield Subject(client, a_keeper, Sensitive(ADMIN), Sensitive(WRITER))
        await metadata.close()
