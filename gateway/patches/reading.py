"""A PATCH's body, by its media type."""

from dataclasses import dataclass
from typing import Any

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.bodies.body import object_in
from gateway.bodies.content_type import APPLY_PATCH, JSON_PATCH
from gateway.bodies.fields import Fields
from gateway.bodies.request_tree import Document
from gateway.errors import BadRequestError
from gateway.patches.json_patch import json_patch_from
from gateway.patches.merge_patch import MergePatch
from gateway.patches.patch import Patch
from gateway.patches.server_side_apply import apply_patch_from
from gateway.queries.write_query import WriteQuery
from gateway.representation.representation import Representation
from protos.splitkeep.metadata.v1.field_owner_pb2 import AppliedFields, FieldManager


@dataclass(frozen=True, slots=True)
class PatchRead:
    """A patch, who makes it, and the fields that it gives more than once."""

    patch: Patch
    manager: FieldManager
    repeated: tuple[str, ...]


def patch_from(
    media_type: str,
    document: Document,
    asked: WriteQuery,
    representation: Representation[Any, Any],
) -> PatchRead:
    """Raises BadRequestError, InvalidArgumentError, BodyTooLargeError, UnprocessableError."""
    force = asked.query.flag("force")
    if media_type == APPLY_PATCH:
        return _apply(document, asked, representation, force=force)
    if force:
        raise _refusal("force", Rule.FORBIDDEN, "may only be given for an apply patch")
    patch: Patch = (
        json_patch_from(document, unreadable=representation.write_only)
        if media_type == JSON_PATCH
        else MergePatch(object_in(document))
    )
    return PatchRead(patch, asked.manager, document.repeated)


def _apply(
    document: Document,
    asked: WriteQuery,
    representation: Representation[Any, Any],
    *,
    force: bool,
) -> PatchRead:
    """An apply says who applies: what it owns depends on it."""
    if not asked.query.text("fieldManager"):
        raise _refusal("fieldManager", Rule.REQUIRED, "is required for an apply patch")
    tree = object_in(document)
    _check_applied(Fields(tree))
    patch = apply_patch_from(
        tree,
        manager=asked.manager.name,
        spec_fields=representation.spec_fields,
        force=force,
    )
    manager = FieldManager(
        name=asked.manager.name,
        api_version=asked.manager.api_version,
        applied=AppliedFields(fields=patch.paths),
    )
    return PatchRead(patch, manager, document.repeated)


def _check_applied(body: Fields) -> None:
    """As Kubernetes: what is applied stands for itself, and owners come of applying alone."""
    for name in ("apiVersion", "kind"):
        if not body.text(name):
            raise BadRequestError(f"{name}: must be given in an apply patch")
    if body.child("metadata").members.get("managedFields"):
        raise BadRequestError("metadata.managedFields must be nil")


def _refusal(name: str, rule: Rule, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(violations=(FieldViolation(name, rule, message),))
