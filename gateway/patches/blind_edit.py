"""A patch by a caller who may write the object and not read it: an edit that reads nothing.

Such a caller's JSON merge patch is carried out if it means the same whatever the object is: it
sets or removes single labels, sets spec.description, or sets spec.decrypters as a whole. Every
other patch is made on what stands in the object, and its outcome would tell of it.
"""

from typing import Any

from chassis.errors import PermissionDeniedError
from gateway.bodies.fields import Fields
from gateway.clients.resources import PartialEdit
from gateway.kinds import Target
from gateway.patches.merge_patch import MergePatch
from gateway.patches.patch import Patch
from gateway.representation.object_meta import (
    DROPPED_ANNOTATIONS,
    check_place,
    check_type,
    preconditions_from_json,
    refuse_finalizers,
)
from gateway.representation.representation import Representation
from gateway.schema.types import Struct
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager

EDITED = frozenset({"description", "decrypters"})
"""What of a spec an edit can set, where the kind has it."""


def edit_of(
    patch: Patch,
    target: Target,
    manager: FieldManager,
    representation: Representation[Any, Any],
) -> PartialEdit:
    """The edit that the patch means.

    Raises PermissionDeniedError: it needs the right to read; BadRequestError;
    InvalidArgumentError: it has finalizers.
    """
    if not isinstance(patch, MergePatch):
        raise _needs_reading(target)
    tree = patch.tree if isinstance(patch.tree, dict) else {}
    body = Fields(tree)
    check_type(body, kind=target.kind.name, api_versions=(target.api_version,))
    metadata, spec = body.child("metadata"), body.child("spec")
    check_place(metadata, target)
    refuse_finalizers(metadata)
    removes_all = any(name in tree and tree[name] is None for name in ("metadata", "spec"))
    if removes_all or not _is_exact(metadata, spec, representation):
        raise _needs_reading(target)
    return _edit(metadata, spec, target, manager)


def _is_exact(metadata: Fields, spec: Fields, representation: Representation[Any, Any]) -> bool:
    if "labels" in metadata.members and metadata.members["labels"] is None:
        return False
    if "annotations" in metadata.members and metadata.members["annotations"] is None:
        return False
    if metadata.child("annotations").members.keys() - DROPPED_ANNOTATIONS:
        return False
    schema = representation.schema.fields["spec"]
    known = {name for name in spec.members if isinstance(schema, Struct) and schema.knows(name)}
    return not metadata.members.get("ownerReferences") and known <= EDITED


def _edit(metadata: Fields, spec: Fields, target: Target, manager: FieldManager) -> PartialEdit:
    labels = metadata.child("labels").members
    put = {key: text for key, text in labels.items() if text is not None}
    return PartialEdit(
        namespace=target.namespace,
        name=target.name,
        description=spec.text("description") if "description" in spec.members else None,
        put_labels=Fields({"labels": put}, metadata.path).text_map("labels"),
        remove_labels=tuple(key for key, text in labels.items() if text is None),
        decrypters=tuple(spec.texts("decrypters")) if "decrypters" in spec.members else None,
        preconditions=preconditions_from_json(metadata),
        manager=manager,
    )


def _needs_reading(target: Target) -> PermissionDeniedError:
    kind = target.kind
    return PermissionDeniedError(
        f"secret.{kind.plural}:read is not granted here, and this patch would tell what stands "
        "in the object. Without it a JSON merge patch may set the description, the whole list "
        "of decrypters and single labels, and remove single labels; "
        f"POST {kind.plural}/{target.name}/edit also adds and removes single decrypters, and "
        "PUT replaces the whole"
    )
