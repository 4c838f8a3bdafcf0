"""Messages to domain objects, and back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.field_owners import (
    FieldManager,
    FieldOwner,
    OwnerOperation,
    Transfer,
)
from metadata_svc.domain.idempotency import Fingerprint, Idempotency
from metadata_svc.domain.resource import Operation, OwnerReference, Preconditions, Resource
from metadata_svc.domain.secure_value import Draft, PreparedWrite, SecureValue
from metadata_svc.domain.text import MAX_NAMESPACE_LENGTH
from metadata_svc.domain.value_id import ReleasedPlace, ValueKey
from protos.splitkeep.metadata.v1 import (
    field_owner_pb2,
    keepers_pb2,
    secure_value_pb2,
    vault_peer_pb2,
)

_OPERATIONS = {
    vault_peer_pb2.OPERATION_CREATE: Operation.CREATE,
    vault_peer_pb2.OPERATION_UPDATE: Operation.UPDATE,
}
_OPERATION_NUMBERS = {operation: number for number, operation in _OPERATIONS.items()}
_OWNER_OPERATIONS = {
    OwnerOperation.UPDATE: field_owner_pb2.OWNER_OPERATION_UPDATE,
    OwnerOperation.APPLY: field_owner_pb2.OWNER_OPERATION_APPLY,
}


def secure_value_to_proto(secure_value: SecureValue) -> secure_value_pb2.SecureValue:
    """As callers see it: without its value id."""
    return secure_value_pb2.SecureValue(
        **resource_fields(secure_value),
        decrypters=secure_value.decrypters,
        keeper=secure_value.keeper,
        version=secure_value.version,
    )


def draft_from_proto(draft: secure_value_pb2.SecureValueDraft) -> Draft:
    """Field by field; nothing is checked."""
    return Draft(**draft_fields(draft), decrypters=tuple(draft.decrypters), ref=draft.ref)


def resource_fields(resource: Resource) -> dict[str, Any]:
    """The fields that the messages of both kinds have in common."""
    return identity_fields(resource) | {
        "generation": resource.generation,
        "created_at": timestamp_to_proto(resource.created_at),
        "updated_at": timestamp_to_proto(resource.updated_at),
        "created_by": resource.created_by,
        "updated_by": resource.updated_by,
        "description": resource.description,
        "labels": resource.labels,
        "annotations": resource.annotations,
        "field_owners": map(_owner_to_proto, resource.field_owners),
    }


def identity_fields(resource: Resource) -> dict[str, Any]:
    """Which object it is, and nothing of what stands in it."""
    return {
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": str(resource.uid),
        "resource_version": resource.resource_version,
    }


def draft_fields(
    draft: secure_value_pb2.SecureValueDraft | keepers_pb2.KeeperDraft,
) -> dict[str, Any]:
    """What the drafts of both kinds have in common; nothing is checked."""
    return {
        "namespace": draft.namespace,
        "name": draft.name,
        "generate_name": draft.generate_name,
        "description": draft.description,
        "labels": dict(draft.labels),
        "annotations": dict(draft.annotations),
        "owner_references": tuple(map(_owner_reference_from_proto, draft.owner_references)),
        "manager": _manager_from_proto(draft.manager),
    }


def _owner_reference_from_proto(owner: secure_value_pb2.OwnerReference) -> OwnerReference:
    """Field by field; nothing is checked."""
    return OwnerReference(api_version=owner.api_version, kind=owner.kind, name=owner.name)


def _manager_from_proto(manager: field_owner_pb2.FieldManager) -> FieldManager:
    """Who makes the write; what it applied, if it applies. Nothing is checked."""
    applied = frozenset(manager.applied.fields) if manager.HasField("applied") else None
    transfer = manager.transfer if manager.HasField("transfer") else None
    return FieldManager(
        name=manager.name,
        api_version=manager.api_version,
        applied=applied,
        transfer=None if transfer is None else _transfer_from_proto(transfer),
    )


def _transfer_from_proto(transfer: field_owner_pb2.FieldsTransfer) -> Transfer:
    return Transfer(to=transfer.to, managers=frozenset(transfer.updaters))


def _owner_to_proto(owner: FieldOwner) -> field_owner_pb2.FieldOwner:
    """One owner and its fields."""
    return field_owner_pb2.FieldOwner(
        manager=owner.manager,
        operation=_OWNER_OPERATIONS[owner.operation],
        api_version=owner.api_version,
        at=timestamp_to_proto(owner.at),
        fields=owner.fields,
    )


def preconditions_from_proto(preconditions: secure_value_pb2.Preconditions) -> Preconditions:
    """A field that is not set is not checked."""
    return Preconditions(
        uid=preconditions.uid if preconditions.HasField("uid") else None,
        resource_version=(
            preconditions.resource_version
            if preconditions.HasField("resource_version")
            else None
        ),
    )


def operation_from_proto(number: vault_peer_pb2.Operation.ValueType) -> Operation:
    """Raises InvalidArgumentError for one that is not known."""
    operation = _OPERATIONS.get(number)
    if operation is None:
        raise _invalid("operation", "must be create or update")
    return operation


def idempotency_from_proto(idempotency: vault_peer_pb2.Idempotency) -> Idempotency:
    """As the vault sends it; nothing is checked."""
    fingerprint = Fingerprint(idempotency.fingerprint, idempotency.issuer_fingerprint)
    return Idempotency(idempotency.key, fingerprint)


def prepared_to_proto(write: PreparedWrite) -> vault_peer_pb2.PreparedWrite:
    """What the vault gives back unchanged at Claim."""
    return vault_peer_pb2.PreparedWrite(
        operation=_OPERATION_NUMBERS[write.operation],
        name=write.name,
        uid=str(write.uid),
        keeper=write.keeper,
        value_id=str(write.value_id),
    )


def prepared_from_proto(prepared: vault_peer_pb2.PreparedWrite) -> PreparedWrite:
    """Raises InvalidArgumentError for an unknown operation or an id that is not a UUID."""
    return PreparedWrite(
        operation=operation_from_proto(prepared.operation),
        name=prepared.name,
        uid=_uuid(prepared.uid, "prepared.uid"),
        keeper=prepared.keeper,
        value_id=_uuid(prepared.value_id, "prepared.value_id"),
    )


def value_key_to_proto(key: ValueKey) -> vault_peer_pb2.ValueKey:
    """The id in its canonical form."""
    return vault_peer_pb2.ValueKey(namespace=key.namespace, value_id=str(key.value_id))


def value_key_from_proto(key: vault_peer_pb2.ValueKey) -> ValueKey:
    """Raises InvalidArgumentError for an id that is not a UUID, or an endless namespace."""
    if len(key.namespace) > MAX_NAMESPACE_LENGTH:
        raise _invalid("namespace", f"must have at most {MAX_NAMESPACE_LENGTH} characters")
    return ValueKey(key.namespace, _uuid(key.value_id, "value_id"))


def age_from_proto(age: Duration) -> timedelta:
    """Raises InvalidArgumentError for what no duration can be."""
    try:
        return age.ToTimedelta()
    except (OverflowError, ValueError):
        raise _invalid("minimum_age", "must be a duration") from None


def released_place_from_proto(place: vault_peer_pb2.ReleasedPlace) -> ReleasedPlace | None:
    """None for an empty message. Raises InvalidArgumentError for no time or no id."""
    if not place.HasField("released_at"):
        return None
    try:
        released_at = place.released_at.ToDatetime(UTC)
    except (OverflowError, ValueError):
        raise _invalid("since.released_at", "must be a time") from None
    return ReleasedPlace(released_at, value_key_from_proto(place.value))


def released_place_to_proto(place: ReleasedPlace) -> vault_peer_pb2.ReleasedPlace:
    """The place as the vault gives it back."""
    message = vault_peer_pb2.ReleasedPlace(value=value_key_to_proto(place.key))
    message.released_at.FromDatetime(place.released_at)
    return message


def _uuid(text: str, path: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _invalid(path, "must be a UUID") from None


def _invalid(path: str, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(violations=(FieldViolation(path, Rule.INVALID, message),))


def timestamp_to_proto(moment: datetime) -> Timestamp:
    """The moment, to the microsecond."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
