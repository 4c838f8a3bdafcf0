"""Secure values: their values are written through the vault, all else is metadata's."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import UnavailableError
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
from gateway.representation.secure_values import SecureValueWrite
from protos.splitkeep.metadata.v1 import secure_values_pb2 as metadata_pb2
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValue
from protos.splitkeep.metadata.v1.secure_values_pb2_grpc import SecureValuesStub as MetadataStub
from protos.splitkeep.vault.v1 import secure_values_pb2 as vault_pb2
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub as VaultStub

METADATA_SERVICE = "splitkeep.metadata.v1.SecureValues"
VAULT_SERVICE = "splitkeep.vault.v1.SecureValues"


class SecureValuesClient:
    """Resources of secure values (gateway/clients/resources.py has the promises)."""

    def __init__(
        self, *, metadata: grpc.aio.Channel, vault: grpc.aio.Channel, call_seconds: float
    ) -> None:
        self._metadata = MetadataStub(metadata)
        self._vault = VaultStub(vault)
        self._seconds = call_seconds

    async def create(
        self, write: SecureValueWrite, *, options: WriteOptions, token: Sensitive[str]
    ) -> SecureValue:
        """The new secure value. A missing value travels as an empty one, to be refused."""
        request = vault_pb2.CreateSecureValueRequest(
            draft=write.draft,
            value=b"" if write.value is None else write.value.reveal(),
            dry_run=options.dry_run,
            idempotency_key=options.idempotency_key,
        )
        method = self._vault.CreateSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def update(
        self, write: SecureValueWrite, *, options: WriteOptions, token: Sensitive[str]
    ) -> SecureValue:
        """The secure value as updated: by the vault if it brings a value, else by metadata."""
        if write.value is None:
            return await self._update_metadata(write, options, token)
        request = vault_pb2.UpdateSecureValueRequest(
            draft=write.draft,
            value=write.value.reveal(),
            preconditions=write.preconditions,
            dry_run=options.dry_run,
        )
        method = self._vault.UpdateSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def _update_metadata(
        self, write: SecureValueWrite, options: WriteOptions, token: Sensitive[str]
    ) -> SecureValue:
        request = metadata_pb2.UpdateSecureValueRequest(
            draft=write.draft, preconditions=write.preconditions, dry_run=options.dry_run
        )
        method = self._metadata.UpdateSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def edit(
        self, edit: PartialEdit, *, options: WriteOptions, token: Sensitive[str]
    ) -> SecureValue:
        """The secure value as edited."""
        whole = (
            None if edit.decrypters is None else metadata_pb2.Decrypters(names=edit.decrypters)
        )
        request = metadata_pb2.EditSecureValueRequest(
            namespace=edit.namespace,
            name=edit.name,
            description=edit.description,
            put_labels=edit.put_labels,
            remove_labels=edit.remove_labels,
            add_decrypters=edit.add_decrypters,
            remove_decrypters=edit.remove_decrypters,
            decrypters=whole,
            preconditions=edit.preconditions,
            manager=edit.manager,
            dry_run=options.dry_run,
        )
        method = self._metadata.EditSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return answer.secure_value

    async def get(
        self, *, namespace: str, name: str, to_update: bool = False, token: Sensitive[str]
    ) -> Found[SecureValue]:
        """The secure value as it is now."""
        request = metadata_pb2.GetSecureValueRequest(
            namespace=namespace, name=name, to_update=to_update, identity_suffices=to_update
        )
        method = self._metadata.GetSecureValue
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return Found(answer.secure_value, answer.readable)

    async def list_page(self, ask: PageAsk, *, token: Sensitive[str]) -> PageOf[SecureValue]:
        """One page of those selected."""
        request = metadata_pb2.ListSecureValuesRequest(
            namespace=ask.namespace,
            selector=ask.selector,
            page_size=ask.page_size,
            search=ask.ordering.search,
            order=ask.ordering.to_proto(),
            after_name=ask.after.name,
            after_time=_timestamp(ask.after.microseconds),
            since_resource_version=ask.since,
            exact_resource_version=ask.exact,
        )
        method = self._metadata.ListSecureValues
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        if not (answer.ordered or ask.ordering.is_plain):
            raise UnavailableError
        return PageOf(
            tuple(answer.secure_values),
            _next_place(answer),
            answer.resource_version,
            answer.ByteSize(),
            tuple(answer.damaged_names),
        )

    async def watch(
        self, ask: WatchAsk, *, seconds: float, token: Sensitive[str]
    ) -> AsyncGenerator[Event[SecureValue], None]:
        """What happens to those selected."""
        request = metadata_pb2.WatchSecureValuesRequest(
            namespace=ask.namespace,
            selector=ask.selector,
            after_resource_version=ask.after_resource_version,
            initial=ask.initial,
        )
        method = self._metadata.WatchSecureValues
        answers = stream(method, request, deadline_seconds=seconds, token=token)
        async with aclosing(answers):
            async for event in answers:
                yield Event(
                    type=event.type,
                    resource_version=event.resource_version,
                    item=event.secure_value if event.HasField("secure_value") else None,
                    initial_end=event.initial_end,
                )

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

    async def delete_page(self, ask: DeletePageAsk, *, token: Sensitive[str]) -> DeletedPage:
        """Deletes one page, each secure value in a transaction of its own."""
        request = metadata_pb2.DeleteSecureValuesRequest(
            namespace=ask.namespace,
            selector=ask.selector,
            preconditions=ask.options.preconditions,
            dry_run=ask.options.dry_run,
            after_name=ask.after_name,
        )
        method = self._metadata.DeleteSecureValues
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return DeletedPage(tuple(answer.deleted_names), answer.after_name)


def _timestamp(microseconds: int | None) -> Timestamp | None:
    if microseconds is None:
        return None
    timestamp = Timestamp()
    timestamp.FromMicroseconds(microseconds)
    return timestamp


def _next_place(answer: metadata_pb2.ListSecureValuesResponse) -> Place | None:
    """A release without orderings names no place: it goes on after the last item."""
    if not answer.more:
        return None
    timed = answer.HasField("next_time")
    return Place(
        answer.next_name or answer.secure_values[-1].name,
        answer.next_time.ToMicroseconds() if timed else None,
    )
