"""`splitkeep.metadata.v1.SecureValues`: for any caller, by token."""

from dataclasses import dataclass
from typing import Any

from chassis.identity import Authenticator
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.grpc_api.messages import (
    draft_from_proto,
    preconditions_from_proto,
    secure_value_to_proto,
)
from metadata_svc.grpc_api.selectors import list_request_from_proto
from metadata_svc.use_cases.edits import DeleteRequest, EditRequest, SecureValueEdits
from metadata_svc.use_cases.lists import Lists
from metadata_svc.use_cases.reads import GetRequest, Reads
from protos.splitkeep.metadata.v1 import secure_values_pb2, secure_values_pb2_grpc

SERVICE = secure_values_pb2.DESCRIPTOR.services_by_name["SecureValues"].full_name


@dataclass(frozen=True, kw_only=True)
class SecureValuesServicer(secure_values_pb2_grpc.SecureValuesServicer):
    """Who is calling, then what is asked; nothing else happens here."""

    authenticator: Authenticator
    reads: Reads[SecureValue]
    lists: Lists[SecureValue]
    edits: SecureValueEdits

    async def GetSecureValue(
        self, request: secure_values_pb2.GetSecureValueRequest, context: Any
    ) -> secure_values_pb2.GetSecureValueResponse:
        caller = await self.authenticator.caller(context.invocation_metadata())
        found = await self.reads.get(
            caller,
            GetRequest(
                namespace=request.namespace, name=request.name, to_update=request.to_update
            ),
        )
        return secure_values_pb2.GetSecureValueResponse(
            secure_value=secure_value_to_proto(found.resource), readable=found.readable
        )

    async def ListSecureValues(
        self, request: secure_values_pb2.ListSecureValuesRequest, context: Any
    ) -> secure_values_pb2.ListSecureValuesResponse:
        caller = await self.authenticator.caller(context.invocation_metadata())
        page = await self.lists.page(caller, list_request_from_proto(request))
        return secure_values_pb2.ListSecureValuesResponse(
            secure_values=map(secure_value_to_proto, page.items),
            more=page.more,
            resource_version=page.resource_version,
        )

    async def UpdateSecureValue(
        self, request: secure_values_pb2.UpdateSecureValueRequest, context: Any
    ) -> secure_values_pb2.UpdateSecureValueResponse:
        caller = await self.authenticator.caller(context.invocation_metadata())
        after = await self.edits.update(
            caller,
            EditRequest(
                draft=draft_from_proto(request.draft),
                preconditions=preconditions_from_proto(request.preconditions),
                dry_run=request.dry_run,
            ),
        )
        return secure_values_pb2.UpdateSecureValueResponse(
            secure_value=secure_value_to_proto(after)
        )

    async def DeleteSecureValue(
        self, request: secure_values_pb2.DeleteSecureValueRequest, context: Any
    ) -> secure_values_pb2.DeleteSecureValueResponse:
        caller = await self.authenticator.caller(context.invocation_metadata())
        gone = await self.edits.delete(
            caller,
            DeleteRequest(
                namespace=request.namespace,
                name=request.name,
                preconditions=preconditions_from_proto(request.preconditions),
                dry_run=request.dry_run,
            ),
        )
        return secure_values_pb2.DeleteSecureValueResponse(
            secure_value=secure_value_to_proto(gone)
        )
