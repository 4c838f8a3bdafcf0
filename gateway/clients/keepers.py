"""Keepers: everything about them is metadata's."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc

from chassis.grpc_client import call, stream
from chassis.sensitive import Sensitive
from gateway.clients.resources import (
    DeletedPage,
    DeletePageAsk,
    Event,
    Found,
    PageAsk,
    PageOf,
    PartialEdit,
    WatchAsk,
    WriteOptions,
)
from gateway.queries.delete_options import DeleteOptions
from gateway.queries.ordering import Place
from gateway.representation.keepers import KeeperWrite
from protos.splitkeep.metadata.v1 import keepers_pb2
from protos.splitkeep.metadata.v1.keepers_pb2 import Keeper
from protos.splitkeep.metadata.v1.keepers_pb2_grpc import KeepersStub

KEEPERS_SERVICE = "splitkeep.metadata.v1.Keepers"


class KeepersClient:
    """Resources of keepers (gateway/clients/resources.py has the promises), and activation."""

    def __init__(self, *, metadata: grpc.aio.Channel, call_seconds: float) -> None:
        self._keepers = KeepersStub(metadata)
        self._seconds = call_seconds

    async def create(
        self, write: KeeperWrite, *, options: WriteOptions, token: Sensitive[str]
    ) -> Keeper:
        """The new keeper, which is not active."""
        request = keepers_pb2.CreateKeeperRequest(
            draft=write.draft, dry_run=options.dry_run, idempotency_key=options.idempotency_key
        )
        method = self._keepers.CreateKeeper
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.keeper

    async def update(
        self, write: KeeperWrite, *, options: WriteOptions, token: Sensitive[str]
    ) -> Keeper:
        """The keeper as updated."""
        request = keepers_pb2.UpdateKeeperRequest(
            draft=write.draft, preconditions=write.preconditions, dry_run=options.dry_run
        )
        method = self._keepers.UpdateKeeper
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.keeper

    async def edit(
        self, edit: PartialEdit, *, options: WriteOptions, token: Sensitive[str]
    ) -> Keeper:
        """The keeper as edited."""
        request = keepers_pb2.EditKeeperRequest(
            namespace=edit.namespace,
            name=edit.name,
            description=edit.description,
            put_labels=edit.put_labels,
            remove_labels=edit.remove_labels,
            preconditions=edit.preconditions,
            manager=edit.manager,
            dry_run=options.dry_run,
        )
        method = self._keepers.EditKeeper
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.keeper

    async def get(
        self, *, namespace: str, name: str, to_update: bool = False, token: Sensitive[str]
    ) -> Found[Keeper]:
        """The keeper as it is now."""
        request = keepers_pb2.GetKeeperRequest(
            namespace=namespace, name=name, to_update=to_update, identity_suffices=to_update
        )
        method = self._keepers.GetKeeper
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return Found(answer.keeper, answer.readable)

    async def list_page(self, ask: PageAsk, *, token: Sensitive[str]) -> PageOf[Keeper]:
        """One page of those selected, in the order of names."""
        request = keepers_pb2.ListKeepersRequest(
            namespace=ask.namespace,
            selector=ask.selector,
            page_size=ask.page_size,
            after_name=ask.after.name,
            since_resource_version=ask.since,
            exact_resource_version=ask.exact,
        )
        method = self._keepers.ListKeepers
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return PageOf(
            tuple(answer.keepers),
            Place(answer.keepers[-1].name) if answer.more else None,
            answer.resource_version,
            answer.ByteSize(),
            tuple(answer.damaged_names),
        )

    async def watch(
        self, ask: WatchAsk, *, seconds: float, token: Sensitive[str]
    ) -> AsyncGenerator[Event[Keeper], None]:
        """What happens to those selected."""
        request = keepers_pb2.WatchKeepersRequest(
            namespace=ask.namespace,
            selector=ask.selector,
            after_resource_version=ask.after_resource_version,
            initial=ask.initial,
        )
        method = self._keepers.WatchKeepers
        answers = stream(method, request, deadline_seconds=seconds, token=token)
        async with aclosing(answers):
            async for event in answers:
                yield Event(
                    type=event.type,
                    resource_version=event.resource_version,
                    item=event.keeper if event.HasField("keeper") else None,
                    initial_end=event.initial_end,
                )

    async def delete(
        self, *, namespace: str, name: str, options: DeleteOptions, token: Sensitive[str]
    ) -> Keeper:
        """The keeper as it was when it left. Raises FailedPreconditionError: it is in use."""
        request = keepers_pb2.DeleteKeeperRequest(
            namespace=namespace,
            name=name,
            preconditions=options.preconditions,
            dry_run=options.dry_run,
        )
        method = self._keepers.DeleteKeeper
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.keeper

    async def delete_page(self, ask: DeletePageAsk, *, token: Sensitive[str]) -> DeletedPage:
        """Deletes one page, each keeper in a transaction of its own."""
        request = keepers_pb2.DeleteKeepersRequest(
            namespace=ask.namespace,
            selector=ask.selector,
            preconditions=ask.options.preconditions,
            dry_run=ask.options.dry_run,
            after_name=ask.after_name,
        )
        method = self._keepers.DeleteKeepers
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return DeletedPage(tuple(answer.deleted_names), answer.after_name)

    async def activate(
        self, *, namespace: str, name: str, dry_run: bool, token: Sensitive[str]
    ) -> Keeper | None:
        """The keeper that is now active; None when that is `system`. Raises NotFoundError."""
        request = keepers_pb2.ActivateKeeperRequest(
            namespace=namespace, name=name, dry_run=dry_run
        )
        method = self._keepers.ActivateKeeper
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.keeper if answer.HasField("keeper") else None
