"""Secure values in memory: the servicers of metadata and of the vault."""

import re
from collections.abc import AsyncIterator
from typing import Any

from chassis.errors import (
    AlreadyExistsError,
    FieldViolation,
    InvalidArgumentError,
    Rule,
    UnauthenticatedError,
)
from protos.splitkeep.metadata.v1 import secure_values_pb2 as metadata_pb2
from protos.splitkeep.metadata.v1 import secure_values_pb2_grpc as metadata_grpc
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValue, SecureValueDraft
from protos.splitkeep.vault.v1 import secure_values_pb2 as vault_pb2
from protos.splitkeep.vault.v1 import secure_values_pb2_grpc as vault_grpc
from tests.fakes.gateway.ordering import next_place
from tests.fakes.gateway.store import Store, compare

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def check(draft: SecureValueDraft, value: bytes | None = None) -> None:
    violations = []
    if draft.name and not NAME.fullmatch(draft.name):
        violations.append(FieldViolation("metadata.name", Rule.INVALID, "must be a name"))
    if not draft.description:
        violations.append(FieldViolation("spec.description", Rule.REQUIRED, "is required"))
    if draft.ref:
        violations.append(FieldViolation("spec.ref", Rule.FORBIDDEN, "is not supported yet"))
    if draft.owner_references:
        path = "metadata.ownerReferences"
        violations.append(FieldViolation(path, Rule.FORBIDDEN, "is not supported yet"))
    if value is not None and not value:
        violations.append(FieldViolation("spec.value", Rule.REQUIRED, "is required"))
    if value is not None and len(value) > 24576:
        rule = "must be at most 24576 bytes"
        violations.append(FieldViolation("spec.value", Rule.TOO_LONG, rule))
    if violations:
        raise InvalidArgumentError(violations=tuple(violations))


class MetadataServicer(metadata_grpc.SecureValuesServicer):
    """Everything that needs no value."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        right = "write" if request.to_update else "read"
        rights = self._store.admit(right, "metadata.Get", request, context)
        self._store.admit_blind(request, rights)
        found = self._store.named(request.namespace, request.name)
        return metadata_pb2.GetSecureValueResponse(
            secure_value=self._store.told(found, rights), readable="read" in rights
        )

    async def ListSecureValues(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("read", "metadata.List", request, context)
        lists = [rpc for rpc in self._store.rpcs() if rpc == "metadata.List"]
        if 0 <= self._store.fail_lists_after < len(lists):
            raise UnauthenticatedError("the token is not valid any more")
        if not self._store.knows_orderings:
            request.ClearField("search")
            request.ClearField("order")
        size = min(request.page_size or 500, self._store.longest_page)
        wanted = self._store.page(self._store.objects, request, size)
        answer = metadata_pb2.ListSecureValuesResponse(
            secure_values=wanted[:size],
            more=len(wanted) > size,
            resource_version=self._store.resource_version,
        )
        if self._store.knows_orderings:
            answer.ordered = True
            if answer.more:
                name, time = next_place(wanted[size - 1], request)
                answer.MergeFrom(
                    metadata_pb2.ListSecureValuesResponse(next_name=name, next_time=time)
                )
        return answer

    async def WatchSecureValues(  # noqa: N802  # the proto's
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        self._store.admit("read", "metadata.Watch", request, context)
        happenings = self._store.happenings(self._store.objects, SecureValue, request)
        async for happening in happenings:
            yield metadata_pb2.WatchSecureValuesResponse(
                type=happening.type,
                resource_version=happening.resource_version,
                secure_value=happening.item,
                initial_end=happening.initial_end,
            )

    async def UpdateSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("write", "metadata.Update", request, context)
        check(request.draft)
        before = self._store.named(request.draft.namespace, request.draft.name)
        compare(request.preconditions, before)
        made = self._store.put(request.draft, version=before.version, dry_run=request.dry_run)
        told = self._store.told(made, rights)
        return metadata_pb2.UpdateSecureValueResponse(secure_value=told)

    async def EditSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("write", "metadata.Edit", request, context)
        before = self._store.named(request.namespace, request.name)
        compare(request.preconditions, before)
        draft = self._store.edited(SecureValueDraft(), before, request)
        added = [name for name in request.add_decrypters if name not in before.decrypters]
        kept = [n for n in before.decrypters if n not in request.remove_decrypters]
        whole = request.HasField("decrypters")
        draft.decrypters.extend(request.decrypters.names if whole else [*kept, *added])
        check(draft)
        made = self._store.put(draft, version=before.version, dry_run=request.dry_run)
        told = self._store.told(made, rights)
        return metadata_pb2.EditSecureValueResponse(secure_value=told)

    async def DeleteSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("delete", "metadata.Delete", request, context)
        found = self._store.named(request.namespace, request.name)
        compare(request.preconditions, found)
        if not request.dry_run:
            self._store.remove(self._store.objects, (request.namespace, request.name))
        told = self._store.told(found, rights)
        return metadata_pb2.DeleteSecureValueResponse(secure_value=told)

    async def DeleteSecureValues(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("delete", "metadata.DeletePage", request, context)
        names, after_name = deleted(self._store, self._store.objects, request)
        return metadata_pb2.DeleteSecureValuesResponse(
            deleted_names=names, after_name=after_name
        )


def deleted(store: Store, items: Any, request: Any) -> tuple[list[str], str]:
    """Deletes one page: the names gone, and after which name the next page starts."""
    size = request.page_size or 100
    probe = metadata_pb2.ListSecureValuesRequest(
        namespace=request.namespace, selector=request.selector, after_name=request.after_name
    )
    wanted = store.page(items, probe, size)
    for item in wanted[:size]:
        compare(request.preconditions, item)
        if not request.dry_run:
            store.remove(items, (item.namespace, item.name))
    names = [item.name for item in wanted[:size]]
    return names, names[-1] if len(wanted) > size else ""


class VaultServicer(vault_grpc.SecureValuesServicer):
    """The writes that carry a value."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def CreateSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("create", "vault.Create", request, context)
        draft = request.draft
        check(draft, request.value)
        if (draft.namespace, draft.name) in self._store.objects:
            raise AlreadyExistsError
        made = self._store.put(draft, version=1, dry_run=request.dry_run, value=request.value)
        return vault_pb2.CreateSecureValueResponse(secure_value=made)

    async def UpdateSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.admit("write", "vault.Update", request, context)
        draft = request.draft
        check(draft, request.value)
        before = self._store.named(draft.namespace, draft.name)
        compare(request.preconditions, before)
        made = self._store.put(
            draft, version=before.version + 1, dry_run=request.dry_run, value=request.value
        )
        told = self._store.told(made, rights)
        return vault_pb2.UpdateSecureValueResponse(secure_value=told)
