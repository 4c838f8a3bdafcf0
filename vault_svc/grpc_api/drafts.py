"""From metadata's draft, as a caller sends it, to what the vault reads of it."""

from protos.splitkeep.metadata.v1 import secure_value_pb2
from vault_svc.domain.draft import Draft, OwnerReference
from vault_svc.domain.last_applied import without_value


def draft_from_proto(draft: secure_value_pb2.SecureValueDraft) -> Draft:
    """Field by field: unknown ones might carry what metadata must never be sent."""
    return Draft(
        namespace=draft.namespace,
        name=draft.name,
        generate_name=draft.generate_name,
        description=draft.description,
        decrypters=tuple(draft.decrypters),
        labels=dict(draft.labels),
        annotations=without_value(draft.annotations),
        ref=draft.ref,
        owner_references=tuple(
            OwnerReference(api_version=owner.api_version, kind=owner.kind, name=owner.name)
            for owner in draft.owner_references
        ),
        manager=_manager(draft),
    )


def _manager(draft: secure_value_pb2.SecureValueDraft) -> bytes:
    draft.manager.DiscardUnknownFields()  # type: ignore[attr-defined]  # the type stubs lack it
    return draft.manager.SerializeToString()
