"""Keepers in memory: metadata's servicer."""

from collections.abc import AsyncIterator
from typing import Any

from chassis.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    Rule,
)
from protos.splitkeep.metadata.v1 import keepers_pb2, keepers_pb2_grpc
from protos.splitkeep.metadata.v1.keepers_pb2 import Keeper, KeeperDraft
from tests.fakes.gateway.secure_values import deleted
from tests.fakes.gateway.store import Store, compare, found_in


def check_keeper(draft: KeeperDraft) -> None:
    violations = []
    if draft.name == "system":
        violations.append(FieldViolation("name", Rule.FORBIDDEN, "is reserved"))
    if not draft.description:
        violations.append(FieldViolation("spec.description", Rule.REQUIRED, "is required"))
    if not draft.providers:
        violations.append(FieldViolation("spec", Rule.REQUIRED, "needs one provider"))
    violations += [
        FieldViolation(f"spec.{name}", Rule.FORBIDDEN, "is not supported")
        for name in draft.providers
        if name != "aws"
    ]
    if draft.HasField("aws") and not draft.aws.region:
        violations.append(FieldViolation("spec.aws.region", Rule.REQUIRED, "is required"))
    if draft.HasField("aws") and not draft.aws.HasField("assume_role"):
        violations.append(FieldViolation("spec.aws", Rule.REQUIRED, "needs assumeRole"))
    if violations:
        raise InvalidArgumentError(violations=tuple(violations))


class KeepersServicer(keepers_pb2_grpc.KeepersServicer):
    """Where values may be kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def CreateKeeper(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("create", "keepers.Create", request, context)
        check_keeper(request.draft)
        if (request.draft.namespace, request.draft.name) in self._store.keepers:
            raise AlreadyExistsError
        made = self._store.put_keeper(request.draft, dry_run=request.dry_run)
        return keepers_pb2.CreateKeeperResponse(keeper=made)

    async def GetKeeper(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        right = "write" if request.to_update else "read"
        rights = self._store.admit(right, "keepers.Get", request, context)
        self._store.admit_blind(request, rights)
        found = found_in(self._store.keepers, request.namespace, request.name)
        told = self._store.told(found, rights)
        return keepers_pb2.GetKeeperResponse(keeper=told, readable="read" in rights)

    async def ListKeepers(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("read", "keepers.List", request, context)
        size = request.page_size or 500
        wanted = self._store.page(self._store.keepers, request, size)
        return keepers_pb2.ListKeepersResponse(
            keepers=wanted[:size],
            more=len(wanted) > size,
            resource_version=self._store.resource_version,
        )

    async def WatchKeepers(  # noqa: N802  # the proto's
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        self._store.admit("read", "keepers.Watch", request, context)
        happenings = self._store.happenings(self._store.keepers, Keeper, request)
        async for happening in happenings:
            yield keepers_pb2.WatchKeepersResponse(
                type=happening.type,
                resource_version=happening.resource_version,
                keeper=happening.item,
                initial_end=happening.initial_end,
            )

    async def UpdateKeeper(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("write", "keepers.Update", request, context)
        check_keeper(request.draft)
        before = found_in(self._store.keepers, request.draft.namespace, request.draft.name)
        compare(request.preconditions, before)
        made = self._store.put_keeper(request.draft, dry_run=request.dry_run)
        return keepers_pb2.UpdateKeeperResponse(keeper=self._store.told(made, rights))

    async def EditKeeper(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("write", "keepers.Edit", request, context)
        before = found_in(self._store.keepers, request.namespace, request.name)
        compare(request.preconditions, before)
        draft = self._store.edited(KeeperDraft(providers=["aws"]), before, request)
        draft.aws.CopyFrom(before.aws)
        made = self._store.put_keeper(draft, dry_run=request.dry_run)
        return keepers_pb2.EditKeeperResponse(keeper=self._store.told(made, rights))

    async def DeleteKeeper(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("delete", "keepers.Delete", request, context)
        found = found_in(self._store.keepers, request.namespace, request.name)
        compare(request.preconditions, found)
        if any(item.keeper == request.name for item in self._store.objects.values()):
            raise FailedPreconditionError("the keeper is in use")
        if not request.dry_run:
            self._store.remove(self._store.keepers, (request.namespace, request.name))
        return keepers_pb2.DeleteKeeperResponse(keeper=self._store.told(found, rights))

    async def DeleteKeepers(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("delete", "keepers.DeletePage", request, context)
        names, after_name = deleted(self._store, self._store.keepers, request)
        return keepers_pb2.DeleteKeepersResponse(deleted_names=names, after_name=after_name)

    async def ActivateKeeper(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("write", "keepers.Activate", request, context)
        if request.name == "system":
            if not request.dry_run:
                self._store.activate(request.namespace, "")
            return keepers_pb2.ActivateKeeperResponse()
        found_in(self._store.keepers, request.namespace, request.name)
        if not request.dry_run:
            self._store.activate(request.namespace, request.name)
        found = self._store.keepers[request.namespace, request.name]
        return keepers_pb2.ActivateKeeperResponse(keeper=self._store.told(found, rights))
