"""The two services, as the gateway calls them.

- What carries a value goes to the vault; all else goes to metadata.
- Every call carries the caller's own token unchanged; the gateway has no right of its own.
- Every method raises the peer's KnownError; InternalError for what is in no vocabulary.
"""

import grpc
from grpc_health.v1 import health_pb2

from chassis.errors import UnavailableError
from chassis.grpc_client import call
from chassis.sensitive import Sensitive
from gateway.delete_options import DeleteOptions
from gateway.representation import SecureValueWrite
from gateway.selectors import Selection
from protos.splitkeep.metadata.v1 import secure_values_pb2 as metadata_pb2
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValue
from protos.splitkeep.metadata.v1.secure_values_pb2_grpc import SecureValuesStub as MetadataStub
from protos.splitkeep.vault.v1 import secure_values_pb2 as vault_pb2
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub as VaultStub

METADATA_SERVICE = "splitkeep.metadata.v1.SecureValues"
VAULT_SERVICE = "splitkeep.vault.v1.SecureValues"
HEALTH_SECONDS = 2.0


class SecureValuesClient:
    """Secure values, wherever their parts are kept."""

    def __init__(
        self, *, metadata: grpc.aio.Channel, vault: grpc.aio.Channel, call_seconds: float
    ) -> None:
        self._metadata = MetadataStub(metadata)
        self._vault = VaultStub(vault)
        self._seconds = call_seconds

    async def create(
        self, write: SecureValueWrite, *, dry_run: bool, token: Sensitive[str]
    ) -> SecureValue:
        """The new secure value. A missing value travels as an empty one, to be refused."""
        request = vault_pb2.CreateSecureValueRequest(
            draft=write.draft,
            value=b"" if write.value is None else write.value.reveal(),
            dry_run=dry_run,
        )
        method = self._vault.CreateSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def update(
        self, write: SecureValueWrite, *, dry_run: bool, token: Sensitive[str]
    ) -> SecureValue:
        """The secure value as updated: by the vault if it brings a value, else by metadata."""
        if write.value is None:
            return await self._update_metadata(write, dry_run=dry_run, token=token)
        request = vault_pb2.UpdateSecureValueRequest(
            draft=write.draft,
            value=write.value.reveal(),
            preconditions=write.preconditions,
            dry_run=dry_run,
        )
        method = self._vault.UpdateSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def _update_metadata(
        self, write: SecureValueWrite, *, dry_run: bool, token: Sensitive[str]
    ) -> SecureValue:
        request = metadata_pb2.UpdateSecureValueRequest(
            draft=write.draft, preconditions=write.preconditions, dry_run=dry_run
        )
        method = self._metadata.UpdateSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def get(self, *, namespace: str, name: str, token: Sensitive[str]) -> SecureValue:
        """The secure value as it is now."""
        request = metadata_pb2.GetSecureValueRequest(namespace=namespace, name=name)
        method = self._metadata.GetSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def list_page(
        self,
        selection: Selection,
        *,
        namespace: str,
        page_size: int,
        after_name: str,
        token: Sensitive[str],
    ) -> metadata_pb2.ListSecureValuesResponse:
        """One page of those selected, in the order of names."""
        request = metadata_pb2.ListSecureValuesRequest(
            namespace=namespace,
            labels=dict(selection.labels),
            decrypter=selection.decrypter,
            page_size=page_size,
            after_name=after_name,
        )
        method = self._metadata.ListSecureValues
        return await call(method, request, deadline_seconds=self._seconds, token=token)

    async def delete(
        self, *, namespace: str, name: str, options: DeleteOptions, token: Sensitive[str]
    ) -> SecureValue:
        """The secure value as it was when it left."""
        request = metadata_pb2.DeleteSecureValueRequest(
            namespace=namespace,
            name=name,
            preconditions=options.preconditions,
            dry_run=options.dry_run,
        )
        method = self._metadata.DeleteSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value


class PeerHealth:
    """Whether one service of a peer takes calls, by the standard gRPC health protocol."""

    def __init__(self, channel: grpc.aio.Channel, *, service: str) -> None:
        self._check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._service = service

    async def check(self) -> None:
        """Raises a KnownError unless the peer says SERVING in time."""
        request = health_pb2.HealthCheckRequest(service=self._service)
        answer = await call(self._check, request, deadline_seconds=HEALTH_SECONDS)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise UnavailableError
