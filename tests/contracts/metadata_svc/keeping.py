"""The use cases of keepers on some stores, as a caller meets them."""

import secrets
from uuid import uuid4

from chassis.caller import Caller
from chassis.clock import Clock, RandomBytes
from metadata_svc.domain.keeper import Keeper, KeeperDraft
from metadata_svc.domain.partial_edit import PartialEdit
from metadata_svc.domain.resource import Kind, Preconditions
from metadata_svc.use_cases.edits import DeleteRequest, PartialEditRequest
from metadata_svc.use_cases.keepers import (
    ActivateRequest,
    CreateKeeperRequest,
    EditKeeperRequest,
    KeeperWrites,
)
from metadata_svc.use_cases.reads import Found, GetRequest, Reads
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    ManualClock,
    a_caller,
    a_keeper_draft,
)

ANYTHING = Preconditions()
ADMIN = a_caller()


class Keeping:
    """Everything that can be done with keepers, by an administrator unless told."""

    def __init__(
        self,
        stores: Stores,
        *,
        clock: Clock | None = None,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self.stores = stores
        self.reads = Reads(kind=Kind.KEEPER, reader=stores.keepers)
        self.writes = KeeperWrites(
            transactions=stores.transactions,
            clock=clock or ManualClock(),
            new_id=uuid4,
            random_bytes=random_bytes,
        )

    async def create(
        self,
        draft: KeeperDraft | None = None,
        *,
        dry_run: bool = False,
        caller: Caller = ADMIN,
    ) -> Keeper:
        request = CreateKeeperRequest(draft=draft or a_keeper_draft(), dry_run=dry_run)
        return await self.writes.create(caller, request)

    async def get(
        self,
        name: str,
        *,
        to_update: bool = False,
        identity_suffices: bool = False,
        caller: Caller = ADMIN,
    ) -> Found[Keeper]:
        request = GetRequest(
            namespace=NAMESPACE,
            name=name,
            to_update=to_update,
            identity_suffices=identity_suffices,
        )
        return await self.reads.get(caller, request)

    async def edit(
        self,
        draft: KeeperDraft,
        *,
        preconditions: Preconditions = ANYTHING,
        dry_run: bool = False,
        caller: Caller = ADMIN,
    ) -> Keeper:
        request = EditKeeperRequest(draft=draft, preconditions=preconditions, dry_run=dry_run)
        return await self.writes.update(caller, request)

    async def edit_part(
        self,
        edit: PartialEdit,
        *,
        preconditions: Preconditions = ANYTHING,
        dry_run: bool = False,
        caller: Caller = ADMIN,
    ) -> Keeper:
        request = PartialEditRequest(edit=edit, preconditions=preconditions, dry_run=dry_run)
        return await self.writes.edit(caller, request)

    async def delete(
        self,
        name: str,
        *,
        preconditions: Preconditions = ANYTHING,
        dry_run: bool = False,
        caller: Caller = ADMIN,
    ) -> Keeper:
        request = DeleteRequest(
            namespace=NAMESPACE, name=name, preconditions=preconditions, dry_run=dry_run
        )
        return await self.writes.delete(caller, request)

    async def activate(
        self, name: str, *, dry_run: bool = False, caller: Caller = ADMIN
    ) -> Keeper | None:
        request = ActivateRequest(namespace=NAMESPACE, name=name, dry_run=dry_run)
        return await self.writes.activate(caller, request)
