"""`splitkeep.metadata.v1.SecureValues`: for any caller, by token."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from metadata_svc.domain.listing import START
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.grpc_api.disclosure import secure_value_for
from metadata_svc.grpc_api.messages import (
    draft_from_proto,
    preconditions_from_proto,
    secure_value_to_proto,
    timestamp_to_proto,
)
from metadata_svc.grpc_api.partial_edits import secure_value_edit_from_proto
from metadata_svc.grpc_api.selections import (
    EVENT_TYPES,
    delete_page_request_from_proto,
    list_request_from_proto,
    watch_request_from_proto,
)
from metadata_svc.use_cases.delete_pages import DeletePages
from metadata_svc.use_cases.edits import DeleteRequest, EditRequest, SecureValueEdits
from metadata_svc.use_cases.lists import Lists
from metadata_svc.use_cases.reads import GetRequest, Reads
from metadata_svc.use_cases.watch import Watches
from protos.splitkeep.metadata.v1 import secure_values_pb2, secure_values_pb2_grpc

SERVICE = secure_values_pb2.DESCRIPTOR.services_by_name["SecureValues"].full_name
OPEN_ENDED = frozenset({"WatchSecureValues"})


@dataclass(frozen=True, kw_only=True)
class SecureValuesServicer(secure_values_pb2_grpc.SecureValuesServicer):
    """Who is calling, then what is asked; nothing else happens here."""

    reads: Reads[SecureValue]
    lists: Lists[SecureValue]
    watches: Watches[SecureValue]
    delete_pages: DeletePages[SecureValue]
    edits: SecureValueEdits

    async def GetSecureValue(
        self, request: secure_values_pb2.GetSecureValueRequest, context: Any
    ) -> secure_values_pb2.GetSecureValueResponse:
        caller = context.caller
        found = await self.reads.get(
            caller,
            GetRequest(
                namespace=request.namespace,
                name=request.name,
                to_update=request.to_update,
                identity_suffices=request.identity_suffices,
            ),
        )
        return secure_values_pb2.GetSecureValueResponse(
            secure_value=secure_value_for(caller, found.resource), readable=found.readable
        )

    async def ListSecureValues(
        self, request: secure_values_pb2.ListSecureValuesRequest, context: Any
    ) -> secure_values_pb2.ListSecureValuesResponse:
        caller = context.caller
        page = await self.lists.page(caller, list_request_from_proto(request))
        following = page.next or START
        return secure_values_pb2.ListSecureValuesResponse(
            secure_values=map(secure_value_to_proto, page.items),
            more=page.more,
            resource_version=page.resource_version,
            damaged_names=page.damaged,
            next_name=following.name,
            next_time=None if following.time is None else timestamp_to_proto(following.time),
            ordered=True,
        )

    async def WatchSecureValues(
        self, request: secure_values_pb2.WatchSecureValuesRequest, context: Any
    ) -> AsyncIterator[secure_values_pb2.WatchSecureValuesResponse]:
        watched = watch_request_from_proto(request)
        async with aclosing(self.watches.events(context.caller_now, watched)) as events:
            async for event in events:
                item = event.item
                yield secure_values_pb2.WatchSecureValuesResponse(
                    type=EVENT_TYPES[event.type],
                    resource_version=event.resource_version,
                    secure_value=None if item is None else secure_value_to_proto(item),
                    initial_end=event.initial_end,
                )

    async def UpdateSecureValue(
        self, request: secure_values_pb2.UpdateSecureValueRequest, context: Any
    ) -> secure_values_pb2.UpdateSecureValueResponse:
        caller = context.caller
        after = await self.edits.update(
            caller,
            EditRequest(
                draft=draft_from_proto(request.draft),
                preconditions=preconditions_from_proto(request.preconditions),
                dry_run=request.dry_run,
            ),
        )
        return secure_values_pb2.UpdateSecureValueResponse(
            secure_value=secure_value_for(caller, after)
        )

    async def EditSecureValue(
        self, request: secure_values_pb2.EditSecureValueRequest, context: Any
    ) -> secure_values_pb2.EditSecureValueResponse:
        caller = context.caller
        after = await self.edits.edit(caller, secure_value_edit_from_proto(request))
        return secure_values_pb2.EditSecureValueResponse(
            secure_value=secure_value_for(caller, after)
        )

    async def DeleteSecureValue(
        self, request: secure_values_pb2.DeleteSecureValueRequest, context: Any
    ) -> secure_values_pb2.DeleteSecureValueResponse:
        caller = context.caller
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
            secure_value=secure_value_for(caller, gone)
        )

    async def DeleteSecureValues(
        self, request: secure_values_pb2.DeleteSecureValuesRequest, context: Any
    ) -> secure_values_pb2.DeleteSecureValuesResponse:
        caller = context.caller
        page = await self.delete_pages.page(caller, delete_page_request_from_proto(request))
        return secure_values_pb2.DeleteSecureValuesResponse(
            deleted_names=page.names, after_name=page.after_name
        )
