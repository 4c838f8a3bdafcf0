"""Edits of a part of an object: messages to what the use cases are asked."""

from metadata_svc.domain.field_owners import FieldManager
from metadata_svc.domain.partial_edit import PartialEdit
from metadata_svc.grpc_api.messages import preconditions_from_proto
from metadata_svc.use_cases.edits import PartialEditRequest
from protos.splitkeep.metadata.v1 import field_owner_pb2, keepers_pb2, secure_values_pb2


def secure_value_edit_from_proto(
    request: secure_values_pb2.EditSecureValueRequest,
) -> PartialEditRequest:
    """Field by field; nothing is checked."""
    whole = request.HasField("decrypters")
    edit = PartialEdit(
        namespace=request.namespace,
        name=request.name,
        description=request.description if request.HasField("description") else None,
        put_labels=dict(request.put_labels),
        remove_labels=frozenset(request.remove_labels),
        add_decrypters=tuple(request.add_decrypters),
        remove_decrypters=frozenset(request.remove_decrypters),
        decrypters=tuple(request.decrypters.names) if whole else None,
        manager=_manager(request.manager),
    )
    return PartialEditRequest(
        edit=edit,
        preconditions=preconditions_from_proto(request.preconditions),
        dry_run=request.dry_run,
    )


def keeper_edit_from_proto(request: keepers_pb2.EditKeeperRequest) -> PartialEditRequest:
    """Field by field; nothing is checked."""
    edit = PartialEdit(
        namespace=request.namespace,
        name=request.name,
        description=request.description if request.HasField("description") else None,
        put_labels=dict(request.put_labels),
        remove_labels=frozenset(request.remove_labels),
        manager=_manager(request.manager),
    )
    return PartialEditRequest(
        edit=edit,
        preconditions=preconditions_from_proto(request.preconditions),
        dry_run=request.dry_run,
    )


def _manager(manager: field_owner_pb2.FieldManager) -> FieldManager:
    return FieldManager(name=manager.name, api_version=manager.api_version)
