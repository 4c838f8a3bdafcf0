"""`splitkeep.metadata.v1.Keepers`: for any caller, by token."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from metadata_svc.domain.keeper import Keeper
from metadata_svc.grpc_api.disclosure import keeper_for
from metadata_svc.grpc_api.keeper_messages import keeper_draft_from_proto, keeper_to_proto
from metadata_svc.grpc_api.messages import preconditions_from_proto
from metadata_svc.grpc_api.partial_edits import keeper_edit_from_proto
from metadata_svc.grpc_api.selections import (
    EVENT_TYPES,
    delete_page_request_from_proto,
    list_request_from_proto,
    watch_request_from_proto,
)
from metadata_svc.use_cases.delete_pages import DeletePages
from metadata_svc.use_cases.edits import DeleteRequest
from metadata_svc.use_cases.keepers import (
    ActivateRequest,
    CreateKeeperRequest,
    EditKeeperRequest,
    KeeperWrites,
)
from metadata_svc.use_cases.lists import Lists
from metadata_svc.use_cases.reads import GetRequest, Reads
from metadata_svc.use_cases.watch import Watches
from protos.splitkeep.metadata.v1 import keepers_pb2, keepers_pb2_grpc

SERVICE = keepers_pb2.DESCRIPTOR.services_by_name["Keepers"].full_name
OPEN_ENDED = frozenset({"WatchKeepers"})


@dataclass(frozen=True, kw_only=True)
class KeepersServicer(keepers_pb2_grpc.KeepersServicer):
    """Who is calling, then what is asked; nothing else happens here."""

    reads: Reads[Keeper]
    lists: Lists[Keeper]
    watches: Watches[Keeper]
    delete_pages: DeletePages[Keeper]
    writes: KeeperWrites

    async def CreateKeeper(
        self, request: keepers_pb2.CreateKeeperRequest, context: Any
    ) -> keepers_pb2.CreateKeeperResponse:
        caller = context.caller
        keeper = await self.writes.create(
            caller,
            CreateKeeperRequest(
                draft=keeper_draft_from_proto(request.draft),
                dry_run=request.dry_run,
                idempotency_key=request.idempotency_key,
            ),
        )
        return keepers_pb2.CreateKeeperResponse(keeper=keeper_to_proto(keeper))

    async def GetKeeper(
        self, request: keepers_pb2.GetKeeperRequest, context: Any
    ) -> keepers_pb2.GetKeeperResponse:
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
        return keepers_pb2.GetKeeperResponse(
            keeper=keeper_for(caller, found.resource), readable=found.readable
        )

    async def ListKeepers(
        self, request: keepers_pb2.ListKeepersRequest, context: Any
    ) -> keepers_pb2.ListKeepersResponse:
        caller = context.caller
        page = await self.lists.page(caller, list_request_from_proto(request))
        return keepers_pb2.ListKeepersResponse(
            keepers=map(keeper_to_proto, page.items),
            more=page.more,
            resource_version=page.resource_version,
            damaged_names=page.damaged,
        )

    async def WatchKeepers(
        self, request: keepers_pb2.WatchKeepersRequest, context: Any
    ) -> AsyncIterator[keepers_pb2.WatchKeepersResponse]:
        watched = watch_request_from_proto(request)
        async with aclosing(self.watches.events(context.caller_now, watched)) as events:
            async for event in events:
                yield keepers_pb2.WatchKeepersResponse(
                    type=EVENT_TYPES[event.type],
                    resource_version=event.resource_version,
                    keeper=None if event.item is None else keeper_to_proto(event.item),
                    initial_end=event.initial_end,
                )

    async def UpdateKeeper(
        self, request: keepers_pb2.UpdateKeeperRequest, context: Any
    ) -> keepers_pb2.UpdateKeeperResponse:
        caller = context.caller
        keeper = await self.writes.update(
            caller,
            EditKeeperRequest(
                draft=keeper_draft_from_proto(request.draft),
                preconditions=preconditions_from_proto(request.preconditions),
                dry_run=request.dry_run,
            ),
        )
        return keepers_pb2.UpdateKeeperResponse(keeper=keeper_for(caller, keeper))

    async def EditKeeper(
        self, request: keepers_pb2.EditKeeperRequest, context: Any
    ) -> keepers_pb2.EditKeeperResponse:
        caller = context.caller
        after = await self.writes.edit(caller, keeper_edit_from_proto(request))
        return keepers_pb2.EditKeeperResponse(keeper=keeper_for(caller, after))

    async def DeleteKeeper(
        self, request: keepers_pb2.DeleteKeeperRequest, context: Any
    ) -> keepers_pb2.DeleteKeeperResponse:
        caller = context.caller
        gone = await self.writes.delete(
            caller,
            DeleteRequest(
                namespace=request.namespace,
                name=request.name,
                preconditions=preconditions_from_proto(request.preconditions),
                dry_run=request.dry_run,
            ),
        )
        return keepers_pb2.DeleteKeeperResponse(keeper=keeper_for(caller, gone))

    async def DeleteKeepers(
        self, request: keepers_pb2.DeleteKeepersRequest, context: Any
    ) -> keepers_pb2.DeleteKeepersResponse:
        caller = context.caller
        page = await self.delete_pages.page(caller, delete_page_request_from_proto(request))
        return keepers_pb2.DeleteKeepersResponse(
            deleted_names=page.names, after_name=page.after_name
        )

    async def ActivateKeeper(
        self, request: keepers_pb2.ActivateKeeperRequest, context: Any
    ) -> keepers_pb2.ActivateKeeperResponse:
        caller = context.caller
        active = await self.writes.activate(
            caller,
            ActivateRequest(
                namespace=request.namespace, name=request.name, dry_run=request.dry_run
            ),
        )
        return keepers_pb2.ActivateKeeperResponse(
            keeper=None if active is None else keeper_for(caller, active)
        )
