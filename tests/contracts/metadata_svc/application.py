"""The use cases on some stores, as a caller meets them."""

import secrets
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from chassis.caller import Caller
from chassis.clock import Clock, RandomBytes
from metadata_svc.domain.idempotency import Idempotency
from metadata_svc.domain.partial_edit import PartialEdit
from metadata_svc.domain.resource import Kind, Operation, Preconditions
from metadata_svc.domain.secure_value import Draft, PreparedWrite, SecureValue
from metadata_svc.use_cases.claim import ClaimRequest, ClaimWrite
from metadata_svc.use_cases.edits import (
    DeleteRequest,
    EditRequest,
    PartialEditRequest,
    SecureValueEdits,
)
from metadata_svc.use_cases.lists import Lists
from metadata_svc.use_cases.prepare import (
    Prepared,
    PrepareRequest,
    PrepareWrite,
    WrittenBefore,
)
from metadata_svc.use_cases.reads import GetRequest, Reads
from metadata_svc.use_cases.resolve import ResolveNames
from metadata_svc.use_cases.trim import TrimHistory, TrimIdempotency, TrimOutcomes
from metadata_svc.use_cases.values import ValueFates
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import NAMESPACE, ManualClock, a_caller, a_draft

ANYTHING = Preconditions()


class Application:
    """Every use case, and the two steps of a write with a value as one."""

    def __init__(
        self,
        stores: Stores,
        *,
        clock: Clock | None = None,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        clock = clock or ManualClock()
        self.stores = stores
        self.reads = Reads(kind=Kind.SECURE_VALUE, reader=stores.reader)
        self.lists = Lists(
            kind=Kind.SECURE_VALUE,
            pages=stores.secure_value_pages,
            changes=stores.secure_value_changes,
        )
        self.edits = SecureValueEdits(
            transactions=stores.transactions, reader=stores.reader, clock=clock
        )
        self.preparing = PrepareWrite(
            replication=stores.replication,
            reader=stores.reader,
            keepers=stores.keepers,
            idempotency=stores.idempotency,
            clock=clock,
            new_id=uuid4,
            random_bytes=random_bytes,
        )
        self.claiming = ClaimWrite(transactions=stores.transactions, clock=clock)
        self.names = ResolveNames(stores.reader)
        self.values = ValueFates(stores.transactions)
        self.history = TrimHistory(stores.transactions, timedelta(0))
        self.outcomes = TrimOutcomes(stores.transactions, timedelta(0))
        self.idempotency_keys = TrimIdempotency(stores.transactions, timedelta(0))

    async def prepare(
        self,
        draft: Draft,
        *,
        operation: Operation = Operation.CREATE,
        preconditions: Preconditions = ANYTHING,
        caller: Caller | None = None,
    ) -> Prepared:
        request = PrepareRequest(operation=operation, draft=draft, preconditions=preconditions)
        prepared = await self.preparing.prepare(caller or a_caller(), request)
        assert isinstance(prepared, Prepared)
        return prepared

    async def create_once(
        self, idempotency: Idempotency, draft: Draft, *, caller: Caller | None = None
    ) -> SecureValue:
        """As the vault does it, but for the value."""
        caller = caller or a_caller()
        asked = PrepareRequest(operation=Operation.CREATE, draft=draft, idempotency=idempotency)
        prepared = await self.preparing.prepare(caller, asked)
        if isinstance(prepared, WrittenBefore):
            return prepared.secure_value
        request = ClaimRequest(write=prepared.write, draft=draft, idempotency=idempotency)
        return await self.claiming.claim(caller, request)

    async def claim(
        self,
        write: PreparedWrite,
        draft: Draft,
        *,
        preconditions: Preconditions = ANYTHING,
        caller: Caller | None = None,
    ) -> SecureValue:
        request = ClaimRequest(write=write, draft=draft, preconditions=preconditions)
        return await self.claiming.claim(caller or a_caller(), request)

    async def create(self, draft: Draft | None = None) -> SecureValue:
        draft = draft or a_draft()
        prepared = await self.prepare(draft)
        return await self.claim(prepared.write, draft)

    async def get(
        self, name: str, *, namespace: str = NAMESPACE, caller: Caller | None = None
    ) -> SecureValue:
        request = GetRequest(namespace=namespace, name=name)
        return (await self.reads.get(caller or a_caller(), request)).resource

    async def update(
        self, draft: Draft, *, preconditions: Preconditions = ANYTHING
    ) -> SecureValue:
        prepared = await self.prepare(
            draft, operation=Operation.UPDATE, preconditions=preconditions
        )
        return await self.claim(prepared.write, draft, preconditions=preconditions)

    async def edit(
        self,
        draft: Draft,
        *,
        preconditions: Preconditions = ANYTHING,
        dry_run: bool = False,
        caller: Caller | None = None,
    ) -> SecureValue:
        request = EditRequest(draft=draft, preconditions=preconditions, dry_run=dry_run)
        return await self.edits.update(caller or a_caller(), request)

    async def edit_part(
        self,
        edit: PartialEdit,
        *,
        preconditions: Preconditions = ANYTHING,
        dry_run: bool = False,
        caller: Caller | None = None,
    ) -> SecureValue:
        request = PartialEditRequest(edit=edit, preconditions=preconditions, dry_run=dry_run)
        return await self.edits.edit(caller or a_caller(), request)

    async def delete(
        self,
        namespace: str,
        name: str,
        *,
        preconditions: Preconditions = ANYTHING,
        dry_run: bool = False,
    ) -> SecureValue:
        request = DeleteRequest(
            namespace=namespace, name=name, preconditions=preconditions, dry_run=dry_run
        )
        return await self.edits.delete(a_caller(), request)


def last_seen(secure_value: SecureValue) -> Preconditions:
    """What someone expects who saw it so."""
    return Preconditions(
        uid=str(secure_value.uid), resource_version=str(secure_value.resource_version)
    )


def described(draft: Draft, description: str) -> Draft:
    return replace(draft, description=description)
