"""Both services in one process's memory, as far as their protos promise it to the gateway.

Raised errors are the vocabulary's; the chassis makes them statuses, as for the real services.
What arrives is kept in `calls`, so that a test can see where a request went and with what.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldViolation,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
    PermissionDeniedError,
    Rule,
    UnauthenticatedError,
)
from protos.splitkeep.metadata.v1 import secure_values_pb2 as metadata_pb2
from protos.splitkeep.metadata.v1 import secure_values_pb2_grpc as metadata_grpc
from protos.splitkeep.metadata.v1.secure_value_pb2 import (
    Preconditions,
    SecureValue,
    SecureValueDraft,
)
from protos.splitkeep.vault.v1 import secure_values_pb2 as vault_pb2
from protos.splitkeep.vault.v1 import secure_values_pb2_grpc as vault_grpc

ADMIN, READER = "admin-token", "reader-token"
RIGHTS: Mapping[str, frozenset[str]] = {
    ADMIN: frozenset({"create", "read", "write", "delete"}),
    READER: frozenset({"read"}),
}
CREATED = Timestamp(seconds=1_771_200_000)
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class Store:
    """What exists, and what happened."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Nothing exists and nothing has happened."""
        self.objects: dict[tuple[str, str], SecureValue] = {}
        self.values: dict[tuple[str, str], bytes] = {}
        self.resource_version = 0
        self.calls: list[tuple[str, Any]] = []
        self.metadata: list[tuple[tuple[str, Any], ...]] = []
        self.failing: KnownError | None = None
        self.fail_lists_after = -1

    def admit(self, right: str, rpc: str, request: Any, context: Any) -> None:
        self.calls.append((rpc, request))
        sent = tuple(context.invocation_metadata())
        self.metadata.append(sent)
        tokens = [value for key, value in sent if key == "x-access-token"]
        if len(tokens) != 1 or tokens[0] not in RIGHTS:
            raise UnauthenticatedError("the token is not valid")
        if right not in RIGHTS[tokens[0]]:
            raise PermissionDeniedError
        if self.failing is not None:
            raise self.failing

    def named(self, namespace: str, name: str) -> SecureValue:
        found = self.objects.get((namespace, name))
        if found is None:
            raise NotFoundError
        return found

    def put(self, draft: SecureValueDraft, *, version: int, dry_run: bool) -> SecureValue:
        before = self.objects.get((draft.namespace, draft.name))
        made = SecureValue(
            namespace=draft.namespace,
            name=draft.name or f"{draft.generate_name}{uuid.uuid4().hex[:8]}",
            uid=before.uid if before else str(uuid.uuid4()),
            resource_version=self.resource_version + 1,
            generation=before.generation + 1 if before else 1,
            created_at=CREATED,
            updated_at=CREATED,
            created_by="user:u1",
            updated_by="user:u1",
            description=draft.description,
            decrypters=draft.decrypters,
            labels=draft.labels,
            annotations=draft.annotations,
            keeper="system",
            version=version,
        )
        if not dry_run:
            self.resource_version += 1
            self.objects[made.namespace, made.name] = made
        return made


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


def compare(seen: Preconditions, now: SecureValue) -> None:
    if seen.HasField("uid") and seen.uid != now.uid:
        raise ConflictError
    if seen.HasField("resource_version") and seen.resource_version != str(now.resource_version):
        raise ConflictError


class MetadataServicer(metadata_grpc.SecureValuesServicer):
    """Everything that needs no value."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("read", "metadata.Get", request, context)
        found = self._store.named(request.namespace, request.name)
        return metadata_pb2.GetSecureValueResponse(secure_value=found)

    async def ListSecureValues(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("read", "metadata.List", request, context)
        lists = [call for call in self._store.calls if call[0] == "metadata.List"]
        if 0 <= self._store.fail_lists_after < len(lists):
            raise UnauthenticatedError("the token is not valid any more")
        wanted = [
            found
            for (namespace, name), found in sorted(self._store.objects.items())
            if namespace == request.namespace
            and name > request.after_name
            and dict(request.labels).items() <= dict(found.labels).items()
            and (not request.decrypter or request.decrypter in found.decrypters)
        ]
        size = request.page_size or 500
        return metadata_pb2.ListSecureValuesResponse(
            secure_values=wanted[:size],
            more=len(wanted) > size,
            resource_version=self._store.resource_version,
        )

    async def UpdateSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("write", "metadata.Update", request, context)
        check(request.draft)
        before = self._store.named(request.draft.namespace, request.draft.name)
        compare(request.preconditions, before)
        made = self._store.put(request.draft, version=before.version, dry_run=request.dry_run)
        return metadata_pb2.UpdateSecureValueResponse(secure_value=made)

    async def DeleteSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("delete", "metadata.Delete", request, context)
        found = self._store.named(request.namespace, request.name)
        compare(request.preconditions, found)
        if not request.dry_run:
            del self._store.objects[request.namespace, request.name]
        return metadata_pb2.DeleteSecureValueResponse(secure_value=found)


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
        made = self._store.put(draft, version=1, dry_run=request.dry_run)
        if not request.dry_run:
            self._store.values[made.namespace, made.name] = request.value
        return vault_pb2.CreateSecureValueResponse(secure_value=made)

    async def UpdateSecureValue(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        self._store.admit("write", "vault.Update", request, context)
        draft = request.draft
        check(draft, request.value)
        before = self._store.named(draft.namespace, draft.name)
        compare(request.preconditions, before)
        made = self._store.put(draft, version=before.version + 1, dry_run=request.dry_run)
        if not request.dry_run:
            self._store.values[made.namespace, made.name] = request.value
        return vault_pb2.UpdateSecureValueResponse(secure_value=made)
